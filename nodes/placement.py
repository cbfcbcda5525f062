"""Models in the host's hands: its memory manager decides what is on the GPU and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

from ..read_core.geometry import PIXELS_PER_LATENT

if TYPE_CHECKING:
    from .sockets import ReadModels

_ALL = 1e32
_PER_TOKEN = 24  # values per token and channel alive at once in a block: attention, and the wide layer
_PER_DETAIL = 128  # values per pixel alive at once where detail is restored
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


def place(*patchers: ModelPatcher, activations: int = 0) -> None:
    """Have the host load models, all that are used together in one call: a later one may evict an earlier.

    Without a model the room for the work alone is made.

    Args:
        activations: bytes that the work itself will need.
    """
    if patchers:
        mm.load_models_gpu(list(patchers), memory_required=activations)
    else:
        mm.free_memory(activations, mm.get_torch_device())


def sampling_memory(
    models: ReadModels, settings: dict[str, Any], size: tuple[int, int], clips: int = 1
) -> int:
    """Bytes that sampling needs beside the weights: an upper guess, for the host's memory manager.

    Args:
        settings: the arguments of ``ReadPipeline.sample``.
        size: (height, width) of the video.
        clips: that are under way at once.
    """
    pipe, config = models.pipe, models.pipe.transformer.config
    branches = len((settings["guidance"] or pipe.defaults.guidance).branches)
    window = settings["window"] or pipe.defaults.window
    tokens = window * size[0] * size[1] // PIXELS_PER_LATENT**2
    kept = 2 * config.num_layers * (window - 1) * config.speech_slots  # keys and values of the speech
    copies = 1 if clips == 1 else 2  # several clips' are joined for each step
    width = config.num_attention_heads * config.attention_head_dim
    values = branches * clips * (tokens * _PER_TOKEN + kept * copies) * width
    return values * pipe.transformer.dtype.itemsize


def decoding_memory(models: ReadModels, height: int, width: int) -> int:
    """Bytes that decoding a chunk of frames of ``height`` x ``width`` needs: an upper guess."""
    settings = models.pipe.vae.settings
    frames = 8 * (settings.chunk + 2 * settings.halo)
    return frames * height * width * _PER_PIXEL * models.pipe.vae.vae.dtype.itemsize


def detail_memory(size: tuple[int, int]) -> int:
    """Bytes that restoring the detail of one frame of (height, width) needs: an upper guess."""
    return size[0] * size[1] * _PER_DETAIL * 4


def check_room(count: int, size: tuple[int, int], advice: str) -> None:
    """Refuse, before the work, pictures that memory does not hold.

    Args:
        count: of pictures.
        size: their (height, width).
        advice: what takes less memory.

    Raises:
        InputError: they do not fit.
    """
    from ..read_core.errors import InputError

    needed, free = count * size[0] * size[1] * 3 * 4, mm.get_free_memory(mm.intermediate_device())
    if needed > free:
        raise InputError(
            f"{count} frames of {size[1]} x {size[0]} pixels need {needed / 2**30:.1f} GB of memory, but "
            f"{free / 2**30:.1f} GB are free; take {advice}, or READ Talking Head to File, which writes them "
            "as they come"
        )


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
