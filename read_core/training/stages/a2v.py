"""Stage ``a2v``: A2V-DiT under the asynchronous forward process (eq. 11-15), with dropped conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, field_validator, model_validator
from safetensors.torch import load_file
from torch import Tensor, nn

from ...ans import NoCFG, add_noise, draw_times, shift_of, velocity_target
from ...checkpoint import Card, Components, Prompt, SamplingDefaults, load_model
from ...corpus.video_file import ClipFile
from ...pipeline import ReadPipeline
from ...records import Reference, SamplingSettings, SpeechCodes
from ...speech import SpeechAE, SpeechEncoder, load_whisper_encoder
from ...transformer import A2VTransformer3DModel
from ...video import DecodeSettings
from ...weights.ltx_transformer import SHAPE_KEYS, load_diffusers
from ...weights.origin import copy_origin, inherit_origin
from ..config import ConfigError, Strict, require_component
from ..data.captions import Captions
from ..data.footage import FootageWindows, write_card
from ..data.latents import WindowDataset
from ..loop import Batch, Figures, Logged, Model
from ..noise import SampleNoise
from ..pictures import save_clips, save_rows
from ..processes import processes
from .held_out import HeldOut
from .lora import Lora, add_lora, merged
from .material import MaterialConfig, open_material
from .prompt import refuse_random, training_prompt
from .speech_variants import (
    TRAINED_ALONG,
    FeatureWindows,
    encode_windows,
    linear,
    pooled,
    scratch,
    tuned,
    with_new_speech,
    write_codes,
    write_features,
)


class Times(Strict):
    """How training times are drawn, see ``ans.draw_times``.

    ``shift`` is a number, or ``tokens``: the rule of LTX-Video's trainer, see ``ans.shift_of``.
    """

    shift: Annotated[float, Field(gt=0)] | Literal["tokens"] = 1.0
    schedule: float = Field(default=0.4, ge=0, le=1)
    mean: float = 0.0
    std: float = Field(default=1.0, gt=0)
    synchronous: bool = False
    """All generated frames of a window have one time: the ablation without ANS."""


class Dropout(Strict):
    """Shares of samples without both conditions, without speech, with ``prompt`` for their caption."""

    both: float = Field(default=0.1, ge=0, le=1)
    speech: float = Field(default=0.1, ge=0, le=1)
    caption: float = Field(default=0.1, ge=0, le=1)


class A2VConfig(MaterialConfig):
    """Configuration of the stage.

    Attributes:
        speech: speech condition. ``codes``: codes of the finished SpeechAE. ``tuned``: the same SpeechAE,
            with its encoder trained too. ``scratch``: a SpeechAE of the same size, trained from random
            weights. ``linear``: linear projections of the Whisper features instead of a SpeechAE, trained
            along (see ``speech.LinearProjection``). ``pooled``: averages of these features (see
            ``speech.AveragePool``; then ``model.code_slots`` is H_w). ``scratch`` and ``linear`` are the
            ablations of Table 2. Except for ``codes``, the speech encoder is exported to
            ``export/speech_ae``.
        model: arguments of ``A2VTransformer3DModel``.
        ltx: folder of an LTX-Video transformer to start from, instead of random weights. It has the sizes, so
            ``model`` may say only what LTX-Video lacks: ``causal_coords``, ``code_dim``, ``code_slots``.
        initial: folder of an earlier A2V-DiT to continue from.
        new_speech: the speech attention of ``initial`` starts from nothing, for a speech encoder whose codes
            it does not know; ``model`` may give their sizes, ``code_dim`` and ``code_slots``.
        lora: adapt ``initial`` by LoRA, see ``stages.lora``; the export has it merged. None: train all.
        captions: items of footage have their own text embeddings, see ``data.captions``.
        gradient_checkpointing: keep only what goes into a block and compute the rest again for the gradient:
            less memory, more time.
        motion_weight: extra weight in the loss of a place with average motion, compared with a still one; 0:
            equal weights (beyond the paper).
        eyes_weight: extra weight in the loss of a place covered by the boxes of the eyes, times the covered
            share.
    """

    stage: Literal["a2v"]
    speech: Literal["codes", "tuned", "scratch", "linear", "pooled"] = "codes"
    model: dict[str, Any] = Field(default_factory=dict)
    ltx: Path | None = None
    initial: Path | None = None
    new_speech: bool = False
    lora: Lora | None = None
    captions: bool = False
    gradient_checkpointing: bool = False
    motion_weight: float = Field(default=1.0, ge=0)
    eyes_weight: float = Field(default=0.0, ge=0)
    times: Times = Times()
    dropout: Dropout = Dropout()

    @model_validator(mode="after")
    def _captions_of_footage(self) -> A2VConfig:
        if self.captions and self.footage is None:
            raise ValueError("captions belong to items of footage: expected footage")
        return self

    @model_validator(mode="after")
    def _start_is_given(self) -> A2VConfig:
        if self.lora is not None and self.initial is None:
            raise ValueError("lora adapts a finished A2V-DiT: expected its folder as initial")
        if self.new_speech and (self.initial is None or self.lora is not None):
            raise ValueError(
                "new_speech needs an earlier A2V-DiT, all of which is trained: expected initial, no lora"
            )
        return self

    @model_validator(mode="after")
    def _start_has_the_sizes(self) -> A2VConfig:
        start = "initial" if self.new_speech else "ltx" if self.ltx is not None else ""
        sizes = [key for key in SHAPE_KEYS if key in self.model]
        if start and sizes:
            raise ValueError(f"{start} gives the sizes of the model; remove {', '.join(sizes)} from model")
        return self

    @field_validator("model")
    @classmethod
    def _with_names_of_arguments(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Also takes the names that files of checkpoints have."""
        renamed: dict[str, Any] = A2VTransformer3DModel.renamed(values)
        return renamed


class Conditioned(nn.Module):
    """The transformer with the projection of its conditions, so that every process sees all gradients.

    With a SpeechAE, ``speech`` has features of windows (``speech_variants.FeatureWindows``), else codes.
    """

    def __init__(self, transformer: A2VTransformer3DModel, speech_ae: SpeechEncoder | None = None) -> None:
        super().__init__()
        self.transformer = transformer
        self.speech_ae = speech_ae

    def forward(
        self,
        noisy: Tensor,
        times: Tensor,
        speech: Tensor,
        prompt: Tensor,
        masks: tuple[Tensor, Tensor],
        continuation: Tensor,
        prompt_mask: Tensor | None = None,
    ) -> Tensor:
        """Velocity (B, C, 1+f, h, w); ``masks`` say which samples (B,) see speech and reference."""
        hears, reference = masks
        return self.transformer(  # type: ignore[no-any-return]
            noisy,
            times,
            speech=self.transformer.speech_context(self.codes(speech), hears),
            text=self.transformer.text_context(prompt, prompt_mask),
            reference_mask=reference,
            continuation=continuation,
        )

    def codes(self, speech: Tensor) -> Tensor:
        """Codes (B, f, h_w, d_A) of the dataset's speech."""
        return speech if self.speech_ae is None else encode_windows(self.speech_ae, speech)


class A2VStage:
    """Stage ``a2v``, see ``loop.Stage``."""

    def __init__(self, config: A2VConfig) -> None:
        self.config = config
        for stage in ("vae", "whisper", "speech_ae"):
            require_component(stage, getattr(config, stage), stage)
        if config.initial is not None:
            require_component("initial", config.initial, "a2v")
        elif config.ltx is not None:
            require_component("ltx", config.ltx)
        refuse_random(config.prompt, config.initial or config.ltx, config.initial is None)
        kind = FeatureWindows if config.speech in TRAINED_ALONG else WindowDataset
        material = open_material(config, config.windows, kind)
        self.footage, self.dataset, self.held_out = material.footage, material.dataset, material.held_out
        torch.manual_seed(config.loop.seed)
        self.transformer = self._initial_model()
        if config.lora is not None:
            add_lora(self.transformer, config.lora)
        if config.gradient_checkpointing:
            self.transformer.enable_gradient_checkpointing()
        self.speech_ae = self._speech_ae()
        if config.footage is not None and config.speech == "codes":
            self.speech_ae.requires_grad_(False)
        self._prepare_speech(material.clips, processes().device)
        along = config.footage is not None or config.speech in TRAINED_ALONG
        self.model = Conditioned(self.transformer, self.speech_ae if along else None)
        channels = self.transformer.config.caption_channels
        self.prompt = training_prompt(config.prompt, config.prompt_tokens, channels).embedding[None]
        self.captions: Captions | None = None
        if config.captions and self.footage is not None and isinstance(self.dataset, FootageWindows):
            self.captions = Captions(self.footage.items("train"), self.prompt[0])
            self.dataset.captions = self.captions

    def _initial_model(self) -> A2VTransformer3DModel:
        config = self.config
        model: A2VTransformer3DModel
        if config.initial is not None:
            model = A2VTransformer3DModel.from_pretrained(config.initial, local_files_only=True)
            if config.new_speech:
                model = with_new_speech(model, config.model)
        elif config.ltx is not None:
            # Published in bfloat16, which is too coarse for training: small steps would be rounded away.
            model = load_diffusers(config.ltx, dtype=torch.float32, **config.model)
        else:
            model = A2VTransformer3DModel(**config.model)
        return model

    def _speech_ae(self) -> SpeechEncoder:
        """The model that makes the codes for the transformer."""
        config = self.config
        trained = SpeechAE.from_pretrained(config.speech_ae, local_files_only=True).eval()
        variants: dict[str, Callable[[SpeechAE], SpeechEncoder]] = {
            "codes": lambda x: x,
            "tuned": tuned,
            "scratch": scratch,
            "linear": linear,
            "pooled": pooled,
        }
        made = variants[config.speech](trained)
        asked, (slots, width) = self.transformer.config, made.code_shape
        if (asked.code_slots, asked.code_dim) != (slots, width):
            raise ConfigError(
                f"model.code_slots and code_dim are {asked.code_slots} and {asked.code_dim}; "
                f"the speech codes ({config.speech}) need {slots} and {width}"
            )
        return made

    def _prepare_speech(self, splits: Mapping[str, Sequence[ClipFile]], device: torch.device) -> None:
        """Give the windows the speech of a variant, cached in ``output/speech``."""
        config, folder = self.config, self.config.output / "speech"
        if config.footage is not None:
            return
        for windows, clips in ((self.dataset, splits["train"]), (self.held_out, splits["validation"])):
            if isinstance(windows, FeatureWindows):
                windows.features = write_features(clips, folder, config.whisper, device)
            elif config.speech == "pooled":
                written = write_codes(clips, folder, config.whisper, self.speech_ae, device)
                for item, path in zip(windows.items, written, strict=True):
                    item.update(load_file(path))

    def prepare(self, device: torch.device) -> None:
        """Move the prompt to the device."""
        self.prompt = self.prompt.to(device)

    def loss(self, model: Model, batch: Batch, noise: SampleNoise) -> tuple[Tensor, Logged]:
        """Eq. 15, the mean over samples of the mean over their frames.

        Frames with time 0, z_R among them, need no velocity and do not count.
        """
        clean, continuation = batch["latents"], batch["continuation"]
        times = self._times(clean, continuation, noise).to(clean)
        eps = noise.normal(*clean.shape[1:]).to(clean)
        drop = noise.uniform().to(clean)
        reference = drop >= self.config.dropout.both
        speech = drop >= self.config.dropout.both + self.config.dropout.speech
        prompt, prompt_mask = self._prompts(batch, noise)
        velocity = model(
            add_noise(clean, eps, times),
            times,
            batch["speech"],
            prompt,
            (speech, reference),
            continuation,
            prompt_mask,
        )
        error = (velocity.to(clean) - velocity_target(clean, eps)).square().mean(1)
        counted = (times > 0).to(clean)
        weights = motion_weights(clean, self.config.motion_weight, self.config.eyes_weight * batch["eyes"])
        per_frame = (error * weights[:, None]).mean((2, 3)) * counted
        loss = (per_frame.sum(1) / counted.sum(1)).mean()
        motion_frame = per_frame[:, 1].sum() / counted[:, 1].sum().clamp_min(1)
        return loss, {"motion_frame": motion_frame.detach()}

    def _prompts(self, batch: Batch, noise: SampleNoise) -> tuple[Tensor, Tensor | None]:
        """The text embedding (1 or B, S, D), and which tokens count (B, S); captions are dropped at times."""
        if self.captions is None:
            return self.prompt, None
        own, mask = batch["prompt"], batch["prompt_mask"]
        common = [value.to(own.device) for value in self.captions.padded(self.prompt[0])]
        dropped = (noise.uniform() < self.config.dropout.caption).to(own.device)[:, None]
        return torch.where(dropped[..., None], common[0], own), torch.where(dropped, common[1], mask)

    def _shift(self, windows: Tensor) -> float:
        """s for windows (B, C, 1+f, h, w)."""
        return shift_of(self.config.times.shift, math.prod(windows.shape[2:]))

    def _times(self, windows: Tensor, continuation: Tensor, noise: SampleNoise) -> Tensor:
        """Times (B, 1+f) of windows (B, C, 1+f, h, w), on the CPU."""
        times = self.config.times
        continues = torch.zeros_like(continuation) if times.synchronous else continuation
        drawn = [
            draw_times(
                1,
                windows.shape[2] - 1,
                self._shift(windows),
                generator,
                continuation=one[None],
                schedule_fraction=times.schedule,
                mean=times.mean,
                std=times.std,
            )
            for one, generator in zip(continues.cpu(), noise.generators, strict=True)
        ]
        return torch.cat(drawn)

    def pipeline(self) -> ReadPipeline:
        """A pipeline with the current transformer and placeholder defaults."""
        config = self.config
        vae = load_model("vae", config.vae).to(self.transformer.device)
        size = 32 * self.dataset.items[0]["latents"].shape[-1]
        prompt = Prompt(self.prompt[0].cpu(), torch.ones(self.prompt.shape[1], dtype=torch.bool))
        return ReadPipeline(
            Components(
                card=Card("training", "training in progress", (size, size)),
                defaults=SamplingDefaults(
                    config.times.shift, 8, NoCFG(), max(config.windows), DecodeSettings()
                ),
                vae=vae.eval(),
                whisper=load_whisper_encoder(config.whisper),
                speech_ae=self.speech_ae,
                transformer=self.transformer,
                prompt=prompt,
            )
        )

    def sheet(self, _model: nn.Module, path: Path) -> None:
        """Held-out windows: the true video through the VAE, and the video generated from the same speech.

        The first pair moves in the MP4 of the same name.
        """
        pipeline = self.pipeline()
        rows = []
        for video, item in enumerate(islice(self.held_out.items, 3)):
            f = max(self.config.windows) - 1
            codes = self.model.codes(self.held_out.speech(video, 1, f)[None].to(self.transformer.device))
            latents = item["latents"][None, :, : f + 1].float().to(self.transformer.device)
            reference = Reference(latent=latents[:, :, :1], image=torch.zeros(1), box=(0, 0, 1, 1))
            made = pipeline.sample(SpeechCodes(codes, 8 * f + 1), reference, SamplingSettings(steps=6))
            clips = [pipeline.decode(sequence, 8 * f + 1) for sequence in (latents, made)]
            rows += [[frames[i] for i in range(min(20, 8 * f), 8 * f + 1, 10)] for frames in clips]
            if video == 0:
                save_clips(clips, path.with_suffix(".mp4"))
        save_rows(rows, path)

    def export(self, _model: nn.Module, folder: Path) -> Figures:
        """Save the transformer, and the SpeechAE of a variant; measure it on held-out windows."""
        made = self.transformer if self.config.lora is None else merged(self.transformer)
        made.save_pretrained(folder)
        if self.config.initial is None and self.config.ltx is not None:
            inherit_origin(self.config.ltx, folder)
        else:
            copy_origin(self.config.initial, folder)
        if self.footage is not None:
            write_card(folder, self.footage)
        if self.config.speech != "codes":
            self.speech_ae.save_pretrained(folder / "speech_ae")
        shift = self._shift(self.held_out[0]["latents"][None])
        return HeldOut(self.model, self.held_out, self.prompt, shift).figures()


def motion_weights(clean: Tensor, more: float, extra: Tensor | None = None) -> Tensor:
    """Weights in the loss of the places of windows (B, C, 1+f, h, w), z_R first: (B, h, w), with mean 1.

    The motion of a place is the root mean square of the changes of its latents over the window. A place with
    average motion has ``1 + more`` times the weight of a still one. ``extra`` (B, h, w) is added. This goes
    beyond the paper.
    """
    motion = clean[:, :, 1:].diff(dim=2).square().mean((1, 2)).sqrt()
    weights = 1 + more * motion / motion.mean((1, 2), keepdim=True).clamp_min(1e-6)
    if extra is not None:
        weights = weights + extra
    return weights / weights.mean((1, 2), keepdim=True)
