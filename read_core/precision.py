"""Statistics stay float32 in models of half precision, since they scale all values."""

from __future__ import annotations

import torch
from torch import Tensor

STATISTICS = frozenset({"latents_mean", "latents_std", "speech_mean", "speech_std"})


def at_precision(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A tensor of a model's state as ``dtype`` (None: unchanged); statistics always as float32."""
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(torch.float32 if name in STATISTICS else dtype or tensor.dtype)
