"""The stages by name. A stage's module is imported when the stage is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import ConfigError, StageConfig, parse_config, read_config

if TYPE_CHECKING:
    from .loop import Stage

    Classes = tuple[type[StageConfig], Callable[[Any], Stage]]


def _vae() -> Classes:
    from .stages.vae import VaeConfig, VaeStage

    return VaeConfig, VaeStage


def _whisper() -> Classes:
    from .stages.whisper import WhisperConfig, WhisperStage

    return WhisperConfig, WhisperStage


def _speech_ae() -> Classes:
    from .stages.speech_ae import SpeechAEConfig, SpeechAEStage

    return SpeechAEConfig, SpeechAEStage


def _a2v() -> Classes:
    from .stages.a2v import A2VConfig, A2VStage

    return A2VConfig, A2VStage


def _detail() -> Classes:
    from .stages.detail import DetailConfig, DetailStage

    return DetailConfig, DetailStage


def _distill() -> Classes:
    from .stages.distill import DistillConfig, DistillStage

    return DistillConfig, DistillStage


STAGES: Mapping[str, Callable[[], Classes]] = {
    "vae": _vae,
    "whisper": _whisper,
    "speech_ae": _speech_ae,
    "a2v": _a2v,
    "detail": _detail,
    "distill": _distill,
}
"""Stage -> function that imports and returns its configuration class and the stage class."""


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> tuple[Callable[[Any], Stage], Any]:
    """Read a stage's YAML file; return the function that makes the stage, and its configuration.

    Args:
        path: the file; its ``stage`` key chooses the stage.
        overrides: dotted keys replaced before validation, e.g. ``{"loop.steps": 10}``.

    Raises:
        ConfigError: no such file, not YAML, an unknown stage, an unknown key or a value out of range.
    """
    data = read_config(path, overrides)
    name = str(data.get("stage"))
    if name == "checkpoint":
        raise ConfigError(
            f"{path} assembles a checkpoint and does not train; use: read-core checkpoint {path}"
        )
    if name not in STAGES:
        raise ConfigError(f"{path}: 'stage' must be one of {', '.join(STAGES)}")
    config_class, make_stage = STAGES[name]()
    return make_stage, parse_config(path, config_class, data)
