"""Checkpoints: the folder format in ``folder``, what it holds besides weights in ``records``."""

from __future__ import annotations

from .folder import MODELS, describe, load_checkpoint, load_model, save_checkpoint
from .records import Card, CheckpointInfo, Components, PartInfo, Prompt, SamplingDefaults

__all__ = [
    "MODELS",
    "Card",
    "CheckpointInfo",
    "Components",
    "PartInfo",
    "Prompt",
    "SamplingDefaults",
    "describe",
    "load_checkpoint",
    "load_model",
    "save_checkpoint",
]
