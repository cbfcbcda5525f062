"""Read model and batch size from a configuration of stage ``a2v``, also before its files exist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoint import load_prompt
from ..footage.manifest import read_manifest
from ..footage.records import MANIFEST
from ..geometry import PIXELS_PER_LATENT
from ..speech import SpeechAE, SpeechEncoder
from ..speech.speech_ae import CONTEXT_FRAMES
from ..transformer import A2VTransformer3DModel
from ..weights.files import read_header, read_json
from ..weights.ltx_transformer import read_ltx_config
from .stages.a2v import A2VConfig, Conditioned
from .stages.lora import add_lora
from .stages.speech_variants import TRAINED_ALONG, linear, tuned

_SIDE = 512 // PIXELS_PER_LATENT
_TOKENS = 128  # of LTX-Video's T5 embeddings


def planned_model(config: A2VConfig, device: str = "meta") -> Conditioned:
    """The model that the stage trains, with random weights, or without weights on the meta device.

    Sizes are those of the folders that the configuration names. Where a folder does not exist yet, they are
    LTX-Video 2B's and the paper's, with what ``model`` says.
    """
    sizes: dict[str, Any] = {}
    if config.initial is not None and _is_there(config.initial):
        found = A2VTransformer3DModel.load_config(config.initial, local_files_only=True)
        sizes = {**A2VTransformer3DModel.extract_init_dict(found)[0]}
    elif config.ltx is not None and _is_there(config.ltx):
        sizes = read_ltx_config(config.ltx)
    with torch.device(device):
        transformer = A2VTransformer3DModel(**{**sizes, **config.model})
        if config.lora is not None:
            add_lora(transformer, config.lora)
        speech_ae = _planned_speech(config, transformer)
    if config.gradient_checkpointing:
        transformer.enable_gradient_checkpointing()
    return Conditioned(transformer, speech_ae)


def _planned_speech(config: A2VConfig, transformer: A2VTransformer3DModel) -> SpeechEncoder | None:
    along = config.speech in TRAINED_ALONG
    if not along and (config.footage is None or config.speech == "pooled"):
        return None
    asked = transformer.config
    sizes: dict[str, Any] = {"code_window": asked.code_slots, "code_dim": asked.code_dim}
    if _is_there(config.speech_ae):
        sizes = SpeechAE.extract_init_dict(read_json(config.speech_ae / "config.json"))[0]
    speech_ae: SpeechAE = SpeechAE(**sizes)
    if config.speech == "linear":
        return linear(speech_ae)
    return tuned(speech_ae) if along else speech_ae.requires_grad_(False)


def _is_there(folder: Path) -> bool:
    return (folder / "config.json").is_file()


@dataclass(frozen=True)
class Batch:
    """The size of a batch.

    Attributes:
        windows: how many.
        latents: per window, z_R included.
        side: rows, and columns, of a latent.
        tokens: of the prompt.
    """

    windows: int
    latents: int
    side: int
    tokens: int

    def __str__(self) -> str:
        size = PIXELS_PER_LATENT * self.side
        windows = "1 window" if self.windows == 1 else f"{self.windows} windows"
        return f"{windows} of {self.latents} latents at {size} x {size}, a prompt of {self.tokens} tokens"


def planned_batch(config: A2VConfig) -> Batch:
    """The largest batch; where there are no latents and no prompt yet, at 512 x 512, with T5's 128 tokens."""
    side, tokens = _SIDE, config.prompt_tokens if config.prompt is None else _TOKENS
    if config.footage is not None and (config.footage / MANIFEST).is_file():
        side = read_manifest(config.footage).content["settings"]["size"] // PIXELS_PER_LATENT
    if config.latents is not None and (found := sorted(config.latents.glob("*/*.safetensors"))):
        side = read_header(found[0])["latents"].shape[-1]
    if config.prompt is not None and config.prompt.is_file():
        channels = read_header(config.prompt)["embedding"].shape[-1]
        tokens = int(load_prompt(config.prompt, channels).mask.sum())
    return Batch(config.loop.batch_size, max(config.windows), side, tokens)


def random_inputs(model: Conditioned, batch: Batch) -> tuple[Any, ...]:
    """Arguments for the model, on torch's default device."""
    sizes, f, b = model.transformer.config, batch.latents - 1, batch.windows
    speech: tuple[int, ...] = (f, sizes.code_slots, sizes.code_dim)
    if model.speech_ae is not None:
        heard = model.speech_ae.config
        speech = (CONTEXT_FRAMES + 8 * (f - 1) + 1, heard.speech_window, heard.feature_dim)
    seen: Tensor = torch.ones(b, dtype=torch.bool)
    return (
        torch.randn(b, sizes.in_channels, batch.latents, batch.side, batch.side),
        torch.rand(b, batch.latents),
        torch.randn(b, *speech),
        torch.randn(1, batch.tokens, sizes.caption_channels),
        (seen, seen),
        seen,
    )
