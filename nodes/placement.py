"""Give models to the host: its memory manager decides what is on the GPU and when."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

from ..read_core.usage import gigabytes

_ALL = 1e32


_ROOM = 1.5  # of the memory that the work needs on a CPU


class WholePatcher(ModelPatcher):
    """A patcher that loads its model whole or not at all.

    The host can only load parts of modules built from its own layers; diffusers' and transformers' are not.
    """

    def partially_load(self, device_to: Any, *_: Any, **options: Any) -> Any:
        return super().partially_load(device_to, **{**options, "extra_memory": _ALL})

    def partially_unload(self, *_: Any, **__: Any) -> int:
        return 0


class ModelHolder(nn.Module):
    """A container that takes the attributes (for example ``device``) that the host writes."""

    def __init__(self, **models: nn.Module) -> None:
        super().__init__()
        for name, model in models.items():
            self.add_module(name, model)


def patcher_of_models(**models: nn.Module) -> WholePatcher:
    """A patcher of models that are used together. They are not moved until :func:`place` is called."""
    return patcher_of(ModelHolder(**models))


def patcher_of(model: ModelHolder) -> WholePatcher:
    """A patcher of a container."""
    return WholePatcher(model, mm.get_torch_device(), mm.unet_offload_device())


def place(*patchers: ModelPatcher, activations: int = 0) -> None:
    """Make the host load models; pass all in one call, since a later one may evict them.

    Without models, only free memory for the work.

    Args:
        activations: bytes that the work needs beyond the weights, as on a CPU. On other devices room is
            added, since convolutions take more there.
    """
    activations = activations if on_cpu() else round(_ROOM * activations)
    if patchers:
        mm.load_models_gpu(list(patchers), memory_required=activations)
    else:
        mm.free_memory(activations, mm.get_torch_device())


def check_room(count: int, size: tuple[int, int], advice: str) -> None:
    """Refuse pictures that do not fit into memory, before the work starts.

    Args:
        count: number of pictures.
        size: (height, width) of a picture.
        advice: what to use to need less memory.

    Raises:
        InputError: they need more than the free memory.
    """
    from ..read_core.errors import InputError

    needed, free = count * size[0] * size[1] * 3 * 4, mm.get_free_memory(mm.intermediate_device())
    if needed > free:
        raise InputError(
            f"{count} frames of {size[1]} x {size[0]} pixels need {gigabytes(needed)} of memory, but "
            f"{gigabytes(free)} are free; use {advice}, or READ Talking Head to File, which writes "
            "frames as it makes them"
        )


def on_cpu() -> bool:
    """Whether this host computes on the CPU."""
    return bool(mm.is_device_cpu(mm.get_torch_device()))


def model_dtype(stored: torch.dtype) -> torch.dtype:
    """The type in which weights of type ``stored`` run on this host's device."""
    if on_cpu():
        return torch.float32
    device = mm.get_torch_device()
    if stored == torch.float16 and not mm.should_use_fp16(device):
        stored = torch.bfloat16
    if stored == torch.bfloat16 and not mm.should_use_bf16(device):
        return torch.float32
    return stored
