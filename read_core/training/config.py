"""Training configurations: YAML parsed once into typed models; an unknown key is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ReadError


class ConfigError(ReadError):
    """A training configuration that cannot be read, names an unknown stage or key, or holds a bad value."""


class Strict(BaseModel):
    """Base of every configuration: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LoopConfig(Strict):
    """What every stage shares.

    Attributes:
        steps: optimiser steps in all; the learning rate warms up over ``warmup`` of them and falls to zero
            along a cosine.
        batch_size: samples per step and process.
        optimizer: ``adamw``, or ``muon`` (orthogonalised momentum for matrices and convolutions, AdamW for
            the rest at ``adam_learning_rate``).
        ema: decay of the exponential moving average that is exported; 0 exports the raw weights.
        clip: largest gradient norm.
        save_minutes: a resumable state is written at least this often, and at the end.
        sheet_every: steps between contact sheets; 0 for none.
        mixed_precision: accelerate's ``no``, ``fp16`` or ``bf16``.
        workers: processes that prepare samples; 0 prepares them in the training process.
        compile: whether the model goes through ``torch.compile``.
    """

    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    adam_learning_rate: float = Field(default=1e-3, gt=0)
    optimizer: Literal["adamw", "muon"] = "adamw"
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: int = Field(default=50, ge=0)
    ema: float = Field(default=0.998, ge=0, lt=1)
    clip: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)
    log_every: int = Field(default=10, gt=0)
    sheet_every: int = Field(default=0, ge=0)
    save_minutes: float = Field(default=5.0, ge=0)
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    workers: int = Field(default=0, ge=0)
    compile: bool = False


class StageConfig(Strict):
    """A stage's own settings beside the loop's. Paths are relative to the working directory.

    Attributes:
        stage: which stage this is; each stage narrows it to its own name.
        output: folder for logs, contact sheets, the resumable state and the exported model.
    """

    stage: str
    output: Path
    loop: LoopConfig


STAGES = {
    "vae": ("vae_stage", "VaeConfig", "VaeStage"),
    "whisper": ("whisper_stage", "WhisperConfig", "WhisperStage"),
    "speech_ae": ("speech_ae_stage", "SpeechAEConfig", "SpeechAEStage"),
    "a2v": ("a2v_stage", "A2VConfig", "A2VStage"),
    "detail": ("detail_stage", "DetailConfig", "DetailStage"),
    "checkpoint": ("assemble", "CheckpointConfig", "assemble"),
}
"""Stage: its module, imported when used, its configuration, and what is called with one (see load_config)."""


def require_component(key: str, folder: Path, stage: str | None = None) -> None:
    """Raise ConfigError unless ``folder`` holds a model, exported by ``stage`` or released (None)."""
    if not (folder / "config.json").is_file():
        advice = f"train stage {stage} first" if stage else "download it first (see docs/training.md)"
        raise ConfigError(f"{key} is {folder}, which holds no config.json; {advice}")


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """Read a YAML file and return (what its stage calls, its configuration).

    That is a class that makes the stage for ``loop.train`` from the configuration, but for the stage
    ``checkpoint``, which is not trained, the function that does it all.

    Args:
        path: the file; its ``stage`` key chooses the stage.
        overrides: dotted keys replaced before validation, e.g. ``{"loop.steps": 10}``.

    Raises:
        ConfigError: no such file, not YAML, an unknown stage, an unknown key or a value out of range.
    """
    from importlib import import_module

    import yaml

    if not path.is_file():
        raise ConfigError(f"{path}: no such file; expected a YAML training configuration (see configs/)")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(data, dict) or str(data.get("stage")) not in STAGES:
        raise ConfigError(f"{path}: 'stage' must be one of {', '.join(STAGES)}")
    for dotted, value in (overrides or {}).items():
        *parents, last = dotted.split(".")
        target = data
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{path}: {dotted} cannot be replaced: {parent} is a value, not a section")
        target[last] = value
    module_name, config_class, called = STAGES[data["stage"]]
    module = import_module(f".{module_name}", __package__)
    try:
        return getattr(module, called), getattr(module, config_class).model_validate(data)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in error.errors()
        ]
        raise ConfigError(f"{path}: not a valid configuration\n" + "\n".join(lines)) from None
