"""Checkpoints: ``folder`` has the folder format, ``records`` everything in it except weights."""

from __future__ import annotations

from .folder import MODELS
from .load import describe, load_checkpoint, load_model
from .prompt import load_prompt, write_prompt
from .records import Card, CheckpointInfo, Components, PartInfo, Prompt, SamplingDefaults, StudentDefaults
from .save import save_checkpoint

__all__ = [
    "MODELS",
    "Card",
    "CheckpointInfo",
    "Components",
    "PartInfo",
    "Prompt",
    "SamplingDefaults",
    "StudentDefaults",
    "describe",
    "load_checkpoint",
    "load_model",
    "load_prompt",
    "save_checkpoint",
    "write_prompt",
]
