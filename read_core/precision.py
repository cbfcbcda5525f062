"""Types of numbers. Statistics stay float32, since they scale all values. Some CPUs are fast at bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor

STATISTICS = frozenset({"latents_mean", "latents_std", "speech_mean", "speech_std"})


def at_precision(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A tensor of a model's state as ``dtype`` (None: unchanged); statistics always as float32."""
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(torch.float32 if name in STATISTICS else dtype or tensor.dtype)


def bfloat16_is_fast() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32 (AVX512-BF16 or AMX)."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)
