"""A2V-DiT: the LTX-Video transformer with frame-level audio cross-attention (sec. 3.2, eq. 10)."""

from __future__ import annotations

from .attention import Context, KeyValues
from .configs import CONFIGS, LTX_2B, LTX_2B_CAUSAL, TINY
from .model import A2VTransformer3DModel
from .student import Student

__all__ = [
    "CONFIGS",
    "LTX_2B",
    "LTX_2B_CAUSAL",
    "TINY",
    "A2VTransformer3DModel",
    "Context",
    "KeyValues",
    "Student",
]
