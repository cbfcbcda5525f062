"""Run a transformer with a student's corrections added to its weights: W + B A in place of W."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .student import corrected_names

if TYPE_CHECKING:
    from .student import LowRank, Student

_ROOM = 2  # times the merged weights must be free on a GPU
_turns: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()


class MergedStudent:
    """A student's corrections for one sampling, merged where that is possible.

    The merged weights are new tensors. They are in the layers only inside :meth:`applied`; afterwards the
    layers hold their own tensors again. Where merging is not possible, the corrections run as hooks
    (:meth:`Student.applied`): weights that are quantized, on another device than the student or loaded by
    hooks of diffusers (group offloading), a student in training, or a GPU without room for a copy.

    Args:
        student: attached to its base.
    """

    def __init__(self, student: Student) -> None:
        self._student = student
        self._seen: list[tuple[nn.Parameter, torch.device, torch.dtype]] = []
        self._merged: list[nn.Parameter] | None = None

    @property
    def merged(self) -> bool:
        """Whether the last evaluation ran with merged weights."""
        return self._merged is not None

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run the base with the corrections inside this context; other threads wait (:func:`turn_of`)."""
        base = self._student.base
        layers: list[Any] = [] if base is None else [base.get_submodule(name) for name in self._student.names]
        with turn_of(base):
            self._update(base, layers)
            if self._merged is None:
                with self._student.applied():
                    yield
                return
            try:
                for layer, weight in zip(layers, self._merged, strict=True):
                    layer._parameters["weight"] = weight
                yield
            finally:
                for layer, (own, _, _) in zip(layers, self._seen, strict=True):
                    layer._parameters["weight"] = own

    def _update(self, base: nn.Module | None, layers: list[Any]) -> None:
        """Merge, unless the layers still hold the weights that were merged."""
        now = [(layer._parameters["weight"], layer.weight.device, layer.weight.dtype) for layer in layers]
        if self._seen and all(
            new[0] is old[0] and new[1:] == old[1:] for new, old in zip(now, self._seen, strict=True)
        ):
            return
        self._seen, self._merged = now, None
        corrections: list[Any] = [
            self._student.corrections.get_submodule(name) for name in self._student.names
        ]
        lows = [low.lora_A.weight for low in corrections]
        learns = torch.is_grad_enabled() and any(low.requires_grad for low in lows)
        here = all(low.device == layer.weight.device for low, layer in zip(lows, layers, strict=True))
        if base is None or learns or not here or not mergeable(base, layers) or not _has_room(layers):
            return
        with torch.no_grad():
            self._merged = [_sum(layer.weight, low) for layer, low in zip(layers, corrections, strict=True)]


@contextmanager
def turn_of(base: nn.Module | None) -> Iterator[None]:
    """Let one thread at a time evaluate ``base``, so that none sees what another put into its layers."""
    if base is None:
        yield
        return
    with _turns.setdefault(base, threading.RLock()):
        yield


def mergeable(base: nn.Module, layers: list[Any]) -> bool:
    """Whether the layers are plain ones, with plain weights that nothing else loads or converts."""
    hooked = any(hasattr(module, "_diffusers_hook") for module in base.modules())
    return not hooked and all(
        type(layer) is nn.Linear
        and type(layer.weight) is nn.Parameter
        and layer.weight.is_floating_point()
        and layer.weight.itemsize > 1
        and not layer.weight.is_meta
        for layer in layers
    )


def merged_memory(base: nn.Module) -> int:
    """Bytes of the merged weights that sampling with a student holds, see ``MergedStudent``."""
    layers: list[Any] = [base.get_submodule(name) for name in corrected_names(base)]
    return sum(layer.weight.nbytes for layer in layers) if mergeable(base, layers) else 0


def _sum(weight: Tensor, low: LowRank) -> nn.Parameter:
    """W + B A, computed in float32, in the type of W."""
    merged = torch.addmm(weight.float(), low.lora_B.weight.float(), low.lora_A.weight.float())
    return nn.Parameter(merged.to(weight.dtype), requires_grad=False)


def _has_room(layers: list[Any]) -> bool:
    """Whether the device, if it is a GPU, can hold the merged weights and the work."""
    device: torch.device = layers[0].weight.device
    if device.type != "cuda":
        return True
    free, total = torch.cuda.mem_get_info(device)
    held, used = torch.cuda.memory_reserved(device), torch.cuda.memory_allocated(device)
    share = getattr(torch.cuda, "get_per_process_memory_fraction", lambda _: 1.0)(device)
    needed = sum(layer.weight.nbytes for layer in layers)
    return bool(min(free + held - used, share * total - used) >= _ROOM * needed)
