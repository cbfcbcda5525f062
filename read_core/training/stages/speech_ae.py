"""Stage ``speech_ae``: pre-train the SpeechAE on features of whole recordings (eq. 5 to 9)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ...geometry import FRAMES_PER_LATENT, frames_of_latents
from ...speech import SpeechAE, WhisperFeatures, load_whisper_encoder
from ..config import ConfigError, StageConfig, require_component
from ..data.speech import SpeechConfig, batch_of, speech_dataset
from .losses import similarities, speech_ae_loss
from .speech_figures import explained_variance, probe, retrieval

if TYPE_CHECKING:
    from ..loop import Batch, Figures, Logged, Model
    from ..noise import SampleNoise

DEAD = 0.1
"""Smallest deviation of a feature, relative to the median."""


class SpeechAEConfig(StageConfig):
    """Configuration of the stage.

    Attributes:
        whisper: folder of the encoder: the export of stage ``whisper``, or a published model such as
            openai/whisper-tiny, downloaded.
        code_window, code_dim, hidden_dim, expansion: size of the SpeechAE; H_w and D_A are the encoder's.
        initial: folder of an earlier SpeechAE of that size to continue from.
        speech: the recordings. If they are longer than the encoder's window, later windows, which keep other
            positions, are used too.
        alpha, beta: weights of eq. 9. Eq. 7 is measured on standardized features.
        temperature: tau of eq. 8.
        printed: use eq. 8 as printed in the paper instead of InfoNCE; see ``losses.contrastive_loss``.
        statistics: number of recordings for the mean and deviation of the features.
        held_out: number of recordings for the held-out figures.
        probe: number of recordings that fit a linear map from codes to the mouth track, for the figures.
    """

    stage: Literal["speech_ae"]
    whisper: Path
    code_window: int = 32
    code_dim: int = 768
    hidden_dim: int = 768
    expansion: int = 2
    initial: Path | None = None
    speech: SpeechConfig
    alpha: float = Field(default=1.0, ge=0)
    beta: float = Field(default=0.1, ge=0)
    temperature: float = Field(default=0.1, gt=0)
    printed: bool = False
    statistics: int = Field(default=32, gt=0)
    held_out: int = Field(default=16, gt=0)
    probe: int = Field(default=96, gt=0)


class SpeechAEStage:
    """Stage ``speech_ae``, see ``loop.Stage``."""

    def __init__(self, config: SpeechAEConfig) -> None:
        require_component("whisper", config.whisper, "whisper")
        self.config = config
        self.frames = frames_of_latents(1 + (config.speech.frames - 1) // FRAMES_PER_LATENT)
        self.features = WhisperFeatures(load_whisper_encoder(config.whisper))
        torch.manual_seed(config.loop.seed)
        self.speech_ae = SpeechAE(
            speech_window=self.features.speech_window,
            feature_dim=self.features.feature_dim,
            code_window=config.code_window,
            code_dim=config.code_dim,
            hidden_dim=config.hidden_dim,
            expansion=config.expansion,
        )
        if config.initial is not None:
            self._load_initial(config.initial)
        self.model: nn.Module = self.speech_ae
        self.dataset = speech_dataset(config.speech, config.loop.seed)
        self.held_out = speech_dataset(config.speech, 0, "validation")

    def _load_initial(self, folder: Path) -> None:
        """Load the weights of the SpeechAE in ``folder``."""
        require_component("initial", folder, "speech_ae")
        earlier = SpeechAE.from_pretrained(folder, local_files_only=True)
        sizes = ("speech_window", "feature_dim", "code_window", "code_dim", "hidden_dim", "expansion")
        wrong = [name for name in sizes if earlier.config[name] != self.speech_ae.config[name]]
        if wrong:
            raise ConfigError(
                f"initial is {folder}, a SpeechAE of another size; these differ: {', '.join(wrong)}"
            )
        self.speech_ae.load_state_dict(earlier.state_dict())

    def prepare(self, device: torch.device) -> None:
        """Move the Whisper encoder; measure the mean and deviation of its features."""
        self.features.to(device)
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for index in range(self.config.statistics):
            speech = self.speech(self.dataset[index]["waveform"][None])[0].double().cpu()
            count, total, squares = (
                count + len(speech),
                total + speech.sum(0),
                squares + speech.square().sum(0),
            )
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        self.speech_ae.speech_mean.copy_(mean)
        self.speech_ae.speech_std.copy_(std.clamp(min=DEAD * float(std.median())))

    @torch.no_grad()
    def speech(self, waveforms: Tensor) -> Tensor:
        """S of whole recordings: (B, samples) -> (B, 8 (L - 1) + 1, H_w, D_A)."""
        return torch.stack([self.features(waveform, self.frames) for waveform in waveforms])

    def loss(self, model: Model, batch: Batch, noise: SampleNoise) -> tuple[Tensor, Logged]:  # noqa: ARG002
        """L_SpeechAE, eq. 9."""
        speech = self.speech(batch["waveform"])
        speech, decoded = self._standard(speech, model(speech))
        config = self.config
        loss, distance, contrast = speech_ae_loss(
            speech, decoded, config.alpha, config.beta, config.temperature, config.printed
        )
        return loss, {"distance": distance.detach(), "contrast": contrast.detach()}

    def sheet(self, model: nn.Module, path: Path) -> None:
        """Features of a held-out recording before and after the SpeechAE, and their similarity over time."""
        from matplotlib.figure import Figure

        speech = self.speech(batch_of(self.held_out, 1)["waveform"])
        speech, decoded = self._standard(speech, model(speech))
        figure = Figure(figsize=(12, 12))
        axes = figure.subplots(3, 1)
        middle = speech.shape[2] // 2
        for axis, name, values in ((axes[0], "S", speech), (axes[1], "decoded", decoded)):
            axis.imshow(values[0, :, middle].T.cpu().numpy(), aspect="auto", vmin=-3, vmax=3)
            axis.set_title(f"{name}: channels over frames")
        axes[2].imshow(similarities(speech, decoded)[0].cpu().numpy(), vmin=-1, vmax=1)
        axes[2].set_title("similarity of decoded frames (rows) with S (columns)")
        figure.savefig(path)

    def export(self, model: nn.Module, folder: Path) -> Figures:
        """Save the SpeechAE; return explained variance, retrieval, and the mouth predicted from codes."""
        self.speech_ae.save_pretrained(folder)
        batch = batch_of(self.held_out, self.config.held_out)
        parts = [self._standard(s, model(s)) for s in torch.split(self.speech(batch["waveform"]), 4)]
        speech, decoded = (torch.cat(part) for part in zip(*parts, strict=True))
        figures = {
            "explained_variance": explained_variance(speech, decoded),
            "retrieval": retrieval(similarities(speech, decoded)),
        }
        if "mouth" in batch:
            figures |= probe(
                self._codes_and_mouth(batch_of(self.dataset, self.config.probe)), self._codes_and_mouth(batch)
            )
        return figures

    def _standard(self, speech: Tensor, decoded: Tensor) -> tuple[Tensor, Tensor]:
        return self.speech_ae.standardize(speech), self.speech_ae.standardize(decoded)

    def _codes_and_mouth(self, batch: Batch) -> tuple[Tensor, Tensor]:
        codes = [self.speech_ae.encode(self.speech(w[None])) for w in batch["waveform"]]
        return torch.cat(codes).float().cpu(), batch["mouth"][:, : self.frames].cpu()
