"""What stays float32 in a model of half precision: statistics, which scale everything that goes through."""

from __future__ import annotations

import torch
from torch import Tensor

STATISTICS = frozenset({"latents_mean", "latents_std", "speech_mean", "speech_std"})


def at_precision(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A tensor of a model's state at ``dtype`` (None: its own), but a statistic at float32."""
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(torch.float32 if name in STATISTICS else dtype or tensor.dtype)
