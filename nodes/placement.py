"""Models in the host's hands: its memory manager decides what is on the GPU and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

if TYPE_CHECKING:
    from ..read_core import Reference
    from .sockets import ReadModels

_ALL = 1e32
_PER_TOKEN = 24  # values per token and channel alive at once in a block: attention, and the wide layer
_PER_PIXEL = 64  # values per pixel alive at once in the last blocks of LTX-Video's decoder


class WholePatcher(ModelPatcher):
    """A patcher whose model is on the GPU whole or not at all.

    The host can load parts of modules that are built from its own layers only; diffusers' and transformers'
    are not.
    """

    def partially_load(self, device_to: Any, *_: Any, **options: Any) -> Any:
        return super().partially_load(device_to, **{**options, "extra_memory": _ALL})

    def partially_unload(self, *_: Any, **__: Any) -> int:
        return 0


class Held(nn.Module):
    """The host writes attributes (``device`` among them) onto what it holds; the models keep their own."""

    def __init__(self, **models: nn.Module) -> None:
        super().__init__()
        for name, model in models.items():
            self.add_module(name, model)


def held(**models: nn.Module) -> WholePatcher:
    """A patcher of models that are used together. They stay where they are until they are placed."""
    return WholePatcher(Held(**models), mm.get_torch_device(), mm.unet_offload_device())


def place(*patchers: ModelPatcher, activations: int = 0) -> torch.device:
    """Have the host load models, all that are used together in one call: a later one may evict an earlier.

    Args:
        activations: bytes that the work itself will need.

    Returns:
        The device they are on.
    """
    mm.load_models_gpu(list(patchers), memory_required=activations)
    return mm.get_torch_device()


def sampling_memory(models: ReadModels, reference: Reference, settings: dict[str, Any]) -> int:
    """Bytes that sampling needs beside the weights: an upper guess, for the host's memory manager."""
    pipe = models.pipe
    guidance = settings["guidance"] or pipe.defaults.guidance
    window = settings["window"] or pipe.defaults.window
    tokens = len(guidance.branches) * window * reference.latent[0, 0].numel()
    width = pipe.transformer.config.num_attention_heads * pipe.transformer.config.attention_head_dim
    return tokens * width * _PER_TOKEN * pipe.transformer.dtype.itemsize


def decoding_memory(models: ReadModels, height: int, width: int) -> int:
    """Bytes that decoding a chunk of frames of ``height`` x ``width`` needs: an upper guess."""
    settings = models.pipe.vae.settings
    frames = 8 * (settings.chunk + 2 * settings.halo)
    return frames * height * width * _PER_PIXEL * models.pipe.vae.vae.dtype.itemsize


def model_dtype(stored: torch.dtype) -> torch.dtype:
    """The type in which weights stored as ``stored`` run on this host's device."""
    device = mm.get_torch_device()
    if mm.is_device_cpu(device):
        return torch.float32
    if stored == torch.float16 and not mm.should_use_fp16(device):
        stored = torch.bfloat16
    if stored == torch.bfloat16 and not mm.should_use_bf16(device):
        return torch.float32
    return stored
