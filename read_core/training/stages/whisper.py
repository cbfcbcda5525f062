"""Stage ``whisper``: a small encoder of Whisper's form, lighter than any published one.

It learns to predict the phoneme class for each feature, and the mouth track for each video frame. Both output
heads are discarded; the export is a ``transformers`` WhisperEncoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
import transformers
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ...corpus.speech.visemes import CLASSES
from ...geometry import FEATURE_RATE, FEATURES_PER_FRAME
from ...speech import load_whisper_encoder, log_mel
from ..config import ConfigError, StageConfig, Strict, require_component
from ..data.speech import SpeechConfig, UtteranceDataset, batch_of
from .speech_figures import TRACKS, track_correlation

if TYPE_CHECKING:
    from ..loop import Batch, Figures, Logged, Model
    from ..noise import SampleNoise


class EncoderConfig(Strict):
    """Size of the encoder.

    Attributes:
        positions: window of the encoder, at 50 per second.
        position_scale: amplitude of the position sinusoids added to the first hidden state. Whisper's is 1;
            in a small encoder they would then dominate the features, and so the codes of the SpeechAE.
    """

    dim: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 512
    mel_bins: int = 80
    positions: int = 500
    position_scale: float = Field(default=0.1, gt=0)


class WhisperConfig(StageConfig):
    """Configuration of the stage.

    Attributes:
        encoder: size of the encoder.
        initial: folder of an earlier encoder of that size to continue from; the heads start from random
            weights.
        speech: the utterances, as long as the encoder's window.
        mouth_weight: weight of the squared error of the mouth track; the phonemes' cross-entropy has weight
            1.
        held_out: number of utterances for the held-out figures, per synthesizer.
        held_out_synthesizers: synthesizers that speak them; the sentences come from the validation split.
    """

    stage: Literal["whisper"]
    encoder: EncoderConfig = EncoderConfig()
    initial: Path | None = None
    speech: SpeechConfig
    mouth_weight: float = 10.0
    held_out: int = Field(default=32, gt=0)
    held_out_synthesizers: tuple[str, ...] = ("espeak",)


class PhonemeModel(nn.Module):
    """The encoder and two linear heads."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.encoder = WhisperEncoder(
            transformers.WhisperConfig(
                d_model=config.dim,
                encoder_layers=config.layers,
                encoder_attention_heads=config.heads,
                encoder_ffn_dim=config.feed_forward,
                num_mel_bins=config.mel_bins,
                max_source_positions=config.positions,
                dropout=0.0,
                attention_dropout=0.0,
                activation_dropout=0.0,
            )
        )
        self.encoder.embed_positions.weight.data.mul_(config.position_scale)
        self.phoneme_head = nn.Linear(config.dim, CLASSES)
        self.mouth_head = nn.Linear(FEATURES_PER_FRAME * config.dim, len(TRACKS))

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel (B, mel, 2 P) -> phoneme logits (B, P, classes) and mouth track (B, P / 2, 3)."""
        states = self.encoder(mel).last_hidden_state
        per_frame = states.unflatten(1, (-1, FEATURES_PER_FRAME)).flatten(2)
        return self.phoneme_head(states), self.mouth_head(per_frame)


class WhisperStage:
    """Stage ``whisper``, see ``loop.Stage``."""

    def __init__(self, config: WhisperConfig) -> None:
        window = config.encoder.positions / FEATURE_RATE
        if config.speech.recordings is not None:
            raise ConfigError("speech.recordings cannot train the encoder: recordings have no phonemes")
        if config.speech.frames * FEATURES_PER_FRAME != config.encoder.positions:
            raise ConfigError(
                f"speech.seconds is {config.speech.seconds}; expected the window of {window:g} s"
            )
        self.config = config
        torch.manual_seed(config.loop.seed)
        self.phoneme_model = PhonemeModel(config.encoder)
        if config.initial is not None:
            self._load_initial(config.initial)
        self.model: nn.Module = self.phoneme_model
        self.dataset = UtteranceDataset(config.speech, config.loop.seed)
        self.held_out = {
            name: batch_of(UtteranceDataset(config.speech, 0, "validation", name), config.held_out)
            for name in config.held_out_synthesizers
        }

    def _load_initial(self, folder: Path) -> None:
        """Load the encoder in ``folder``."""
        require_component("initial", folder, "whisper")
        earlier, own = load_whisper_encoder(folder).float(), self.phoneme_model.encoder
        if _size(earlier) != _size(own):
            raise ConfigError(f"initial is {folder}, an encoder with another size than 'encoder'")
        own.load_state_dict(earlier.state_dict())

    def prepare(self, device: torch.device) -> None:
        """Move the held-out utterances to the device."""
        self.held_out = {
            name: {key: value.to(device) for key, value in batch.items()}
            for name, batch in self.held_out.items()
        }

    def loss(self, model: Model, batch: Batch, noise: SampleNoise) -> tuple[Tensor, Logged]:  # noqa: ARG002
        """Cross-entropy over the phoneme classes + ``mouth_weight`` x squared error of the mouth track."""
        logits, mouth = model(log_mel(batch["waveform"], self.config.encoder.mel_bins))
        phonemes = F.cross_entropy(logits.float().flatten(0, 1), batch["phonemes"].flatten())
        error = F.mse_loss(mouth.float(), batch["mouth"])
        logged = {"phonemes": phonemes.detach(), "mouth": error.detach()}
        return phonemes + self.config.mouth_weight * error, logged

    def sheet(self, model: nn.Module, path: Path) -> None:
        """The true and the predicted mouth track of one held-out utterance per synthesizer."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(12, 3 * len(TRACKS)))
        axes = figure.subplots(len(TRACKS), len(self.held_out), squeeze=False, sharex=True)
        for column, (name, batch) in enumerate(self.held_out.items()):
            _, mouth = model(log_mel(batch["waveform"][:1], self.config.encoder.mel_bins))
            for row, track in enumerate(TRACKS):
                axes[row, column].plot(batch["mouth"][0, :, row].cpu().numpy(), label="true")
                axes[row, column].plot(mouth[0, :, row].float().cpu().numpy(), label="predicted")
                axes[row, column].set_title(f"{track}, {name}")
        axes[0, 0].legend()
        figure.savefig(path)

    def export(self, model: nn.Module, folder: Path) -> Figures:
        """Save only the encoder; return the correlation of each mouth track and the phoneme accuracy."""
        self.phoneme_model.encoder.save_pretrained(folder)
        figures: Figures = {}
        for name, batch in self.held_out.items():
            parts = [
                model(log_mel(w, self.config.encoder.mel_bins)) for w in torch.split(batch["waveform"], 8)
            ]
            logits, mouth = (torch.cat(part) for part in zip(*parts, strict=True))
            correct = (logits.argmax(-1) == batch["phonemes"]).float().mean()
            figures[f"{name}_phonemes"] = float(correct)
            figures |= {f"{name}_{k}": v for k, v in track_correlation(mouth, batch["mouth"]).items()}
        return figures


def _size(encoder: WhisperEncoder) -> tuple[object, ...]:
    """The sizes that two encoders must share to exchange weights."""
    shapes = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
    return encoder.config.encoder_attention_heads, shapes
