"""Training configurations: YAML parsed once into typed models; unknown keys are errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import ReadError

_RENAMED = {"synthesiser": "synthesizer", "held_out_synthesisers": "held_out_synthesizers"}
_SCRIPTS = {"eyelids": "run scripts/fit_eyelids.py"}  # what makes a part without a stage
_RELEASED = (None, "vae", "whisper")  # what LTX-Video and Whisper give, by the stage that trains another


class ConfigError(ReadError):
    """A training configuration cannot be read, or has an unknown stage or key or a bad value."""


class Strict(BaseModel):
    """Base of all configurations: immutable, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


T = TypeVar("T", bound=Strict)


class LoopConfig(Strict):
    """Settings of the loop, shared by all stages.

    Attributes:
        steps: total optimizer steps; the learning rate rises over ``warmup`` of them, then falls to zero
            along a cosine.
        batch_size: samples per batch and process.
        accumulate: batches per step and process, whose gradients are averaged.
        optimizer: ``adamw``; ``adamw_fused``, torch's in one kernel; ``adamw_8bit``, torchao's with moments
            of 8 bits; or ``muon`` (orthogonalized momentum for matrices and convolutions, AdamW for the rest
            at ``adam_learning_rate``).
        ema: decay of the exponential moving average that is exported; 0 exports the raw weights.
        clip: largest gradient norm.
        tensorboard: whether scalars, contact sheets and their videos also go to ``output/tensorboard``.
        save_minutes: a resumable state is written at least this often, and at the end.
        sheet_every: steps between contact sheets; 0 for none.
        mixed_precision: accelerate's ``no``, ``fp16`` or ``bf16``.
        workers: processes that prepare samples; 0 prepares them in the training process.
        compile: whether the model goes through ``torch.compile``.
        parallel: how several processes train: ``ddp``, each with all weights, or ``fsdp``, each with a part
            of weights, gradients, moments and average (stage ``a2v``).
    """

    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    accumulate: int = Field(default=1, gt=0)
    learning_rate: float = Field(gt=0)
    adam_learning_rate: float = Field(default=1e-3, gt=0)
    optimizer: Literal["adamw", "adamw_fused", "adamw_8bit", "muon"] = "adamw"
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: int = Field(default=50, ge=0)
    ema: float = Field(default=0.998, ge=0, lt=1)
    clip: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)
    log_every: int = Field(default=10, gt=0)
    sheet_every: int = Field(default=0, ge=0)
    tensorboard: bool = False
    save_minutes: float = Field(default=5.0, ge=0)
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    workers: int = Field(default=0, ge=0)
    compile: bool = False
    parallel: Literal["ddp", "fsdp"] = "ddp"

    @model_validator(mode="after")
    def _what_fsdp_shares(self) -> LoopConfig:
        if self.parallel == "fsdp" and self.optimizer == "muon":
            raise ValueError("fsdp splits the matrices that muon needs whole: use adamw, or parallel: ddp")
        if self.parallel == "fsdp" and self.mixed_precision == "fp16":
            raise ValueError("fsdp does not scale losses as fp16 needs it: use bf16, or parallel: ddp")
        return self


class StageConfig(Strict):
    """Settings of a stage, and the loop's. Paths are relative to the working directory.

    Attributes:
        stage: name of the stage; each stage narrows it to its own name.
        output: folder for logs, contact sheets, the resumable state and the exported model.
    """

    stage: str
    output: Path
    loop: LoopConfig


def require_component(key: str, folder: Path, stage: str | None = None) -> None:
    """Raise ConfigError unless ``folder`` has a model, made by ``stage`` or released (None)."""
    if not (folder / "config.json").is_file():
        made = f"{_SCRIPTS.get(stage, f'train stage {stage}')} first" if stage else ""
        released = "make it of the published files with 'read-core init'" if stage in _RELEASED else ""
        advice = ", or ".join(filter(None, (made, released)))
        raise ConfigError(
            f"{key} is {folder}, which holds no config.json; {advice} (see docs/training.md, and for full "
            "size docs/full-size.md)"
        )


def read_config(path: Path, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read a YAML file and those it builds on.

    The key ``base`` names another file, relative to this one. What this file says replaces what the other one
    says; sections are merged key by key. Keys with an earlier name get the present one.

    Args:
        path: the file.
        overrides: dotted keys to replace, e.g. ``{"loop.steps": 10}``.

    Raises:
        ConfigError: no such file or base, bases in a circle, not YAML, no mapping, or a key that cannot be
            replaced.
    """
    data = _read_with_bases(path, ())
    for dotted, value in (overrides or {}).items():
        *parents, last = (_RENAMED.get(key, key) for key in dotted.split("."))
        target = data
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{path}: {dotted} cannot be replaced: {parent} is a value, not a section")
        target[last] = value
    return data


def _read_with_bases(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The keys of a file over those of its base; ``above``: the files that build on this one."""
    here = path.resolve()
    if here in above:
        circle = " -> ".join(str(file) for file in (*above[above.index(here) :], here))
        raise ConfigError(f"{circle}: each is the base of the one before; expected one without a base")
    if not path.is_file():
        kind = f"base of {above[-1]}" if above else "YAML training configuration (see configs/)"
        raise ConfigError(f"{path}: no such file; expected a {kind}")
    data = _with_present_names(_read_mapping(path))
    base = data.pop("base", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base is {base!r}; expected the path of another YAML file")
    return _merged(_read_with_bases(path.parent / base, (*above, here)), data)


def _read_mapping(path: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds no keys; expected 'stage', 'output' and others (see configs/)")
    return data


def _with_present_names(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _RENAMED.get(key, key): _with_present_names(value) if isinstance(value, Mapping) else value
        for key, value in data.items()
    }


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``over``; mappings that both have are merged in turn."""
    merged = dict(base)
    for key, value in over.items():
        below = base.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged


def parse_config(path: Path, kind: type[T], data: Mapping[str, Any]) -> T:
    """Convert the result of :func:`read_config` for ``path`` to a configuration of one kind.

    Raises:
        ConfigError: an unknown or missing key, or a value out of range.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in error.errors()
        ]
        raise ConfigError(f"{path}: not a valid configuration\n" + "\n".join(lines)) from None
