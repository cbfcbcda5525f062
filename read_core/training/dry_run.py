"""Estimate memory and time of a training before it starts: ``read-core train --dry-run``.

The memory of the state is computed from a model without weights, that of the activations from shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from .activations import free_memory, kept_for_gradient, step_seconds
from .config import ConfigError, LoopConfig, StageConfig
from .optim import make_optimizer
from .plan import planned_batch, planned_model
from .stages.a2v import A2VConfig, Conditioned
from .stages.lora import Lora
from .stages.speech_variants import TRAINED_ALONG

_MOMENTS = 2  # of a parameter in Adam; momentum alone in Muon
_MARGIN = 1.2  # for what an operation needs for a moment
_PROCESSES = (2, 8)  # that could share the state
_BLOCK, _SMALLEST = 256, 4096  # of torchao's moments of 8 bits


@dataclass(frozen=True)
class StateMemory:
    """Bytes of a training's state in each process, before activations.

    Attributes:
        weights: of the model, parts that are not trained included.
        gradients: of what is trained.
        optimizer: its moments.
        average: the moving average that is exported.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int

    @property
    def together(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.average

    @property
    def written(self) -> int:
        """A state on the disk, which has no gradients."""
        return self.together - self.gradients


def state_memory(model: nn.Module, loop: LoopConfig) -> StateMemory:
    """The state of training ``model``, which may be on the meta device."""
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    weights = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    return StateMemory(weights, trained, _moments(model, loop), trained if loop.ema else 0)


def _moments(model: nn.Module, loop: LoopConfig) -> int:
    parameters = [p for p in model.parameters() if p.requires_grad]
    if loop.optimizer == "adamw_8bit":
        return _MOMENTS * sum(_in_8_bits(p) for p in parameters)
    if loop.optimizer != "muon" or not parameters:
        return _MOMENTS * sum(p.nbytes for p in parameters)
    groups = make_optimizer(model, loop).param_groups
    return sum((_MOMENTS if group["adam"] else 1) * p.nbytes for group in groups for p in group["params"])


def _in_8_bits(p: Tensor) -> int:
    """Bytes of a moment of torchao's AdamW8bit: a byte per number, a scale per block and a table."""
    if p.numel() < _SMALLEST or p.numel() % _BLOCK:
        return p.nbytes
    return p.numel() + 4 * (p.numel() // _BLOCK + 256)


def report(config: StageConfig) -> Iterator[str]:
    """Lines for the user: memory of the state by part and of activations, a step's time, what options save.

    Raises:
        ConfigError: the stage is not ``a2v``.
    """
    if not isinstance(config, A2VConfig):
        raise ConfigError(f"--dry-run is for the stage a2v; the configuration is of the stage {config.stage}")
    model = planned_model(config)
    whole = state_memory(model, config.loop)
    parts = [(name, state_memory(part, config.loop)) for name, part in model.named_children()]
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    yield f"{trained:,} parameters in training, float32, {config.loop.optimizer}; GB in each process:"
    yield _row("", [field.name for field in fields(whole)] + ["together"])
    for name, state in [*parts, ("all", whole)]:
        yield _row(name, [_gb(getattr(state, f.name)) for f in fields(state)] + [_gb(state.together)])
    if config.loop.parallel == "fsdp":
        divided = ", ".join(f"{_gb(whole.together // n)} GB in each of {n}" for n in _PROCESSES)
        yield f"loop.parallel: fsdp divides all of these by the number of processes: {divided}."
    kept = kept_for_gradient(config)
    yield f"A batch keeps {_gb(kept)} GB more for its gradient: {planned_batch(config)}."
    yield f"On the disk a state has {_gb(whole.written)} GB; two are there while one is written."
    yield _time(config, whole.together + kept)
    yield ""
    for option, saved in _options(model, config, whole, kept):
        yield f"{option:<32}{saved}"


def _time(config: A2VConfig, needed: int) -> str:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    free = free_memory(device)
    if needed * _MARGIN > free:
        return f"Time of a step: not measured here, {device.type} has {_gb(free)} GB free."
    return f"Time of a step: {step_seconds(config, device):.2f} s here, one process on {device.type}."


def _options(
    model: Conditioned, config: A2VConfig, whole: StateMemory, kept: int
) -> Iterator[tuple[str, str]]:
    """What could be set in the configuration, and what that saves."""
    if _sharable(config.loop):
        fewer_in = {count: whole.together - whole.together // count for count in _PROCESSES}
        told = ", ".join(f"{_gb(fewer)} GB in each of {count} processes" for count, fewer in fewer_in.items())
        yield "loop.parallel: fsdp", f"saves {told}"
    choices = [("ema", 0), ("optimizer", "adamw_8bit"), ("optimizer", "muon")]
    for key, value in choices[: 2 if config.loop.parallel == "fsdp" else 3]:
        changed = state_memory(model, config.loop.model_copy(update={key: value}))
        if changed.together < whole.together:
            yield f"loop.{key}: {value}", f"saves {_gb(whole.together - changed.together)} GB"
    if config.speech in TRAINED_ALONG:
        frozen = planned_model(config.model_copy(update={"speech": "codes"}))
        saved = whole.together - state_memory(frozen, config.loop).together
        yield "speech: codes", f"saves {_gb(saved)} GB"
    if config.lora is None and (told := _saved_by_lora(config, whole)):
        yield "lora: {}", told
    if not config.gradient_checkpointing:
        fewer = kept - kept_for_gradient(config.model_copy(update={"gradient_checkpointing": True}))
        yield "gradient_checkpointing: true", f"saves {_gb(fewer)} GB of activations"
    if config.loop.batch_size > 1:
        fewer = kept - kept_for_gradient(_with_loop(config, batch_size=1))
        told = f"saves {_gb(fewer)} GB of activations; loop.accumulate keeps the samples of a step"
        yield "loop.batch_size: 1", told
    if config.loop.mixed_precision == "no":
        fewer = kept - kept_for_gradient(_with_loop(config, mixed_precision="bf16"))
        yield "loop.mixed_precision: bf16", f"saves {_gb(fewer)} GB of activations; the state stays float32"


def _sharable(loop: LoopConfig) -> bool:
    """Whether ``parallel: fsdp`` would be another choice, and an allowed one."""
    return loop.parallel == "ddp" and loop.optimizer != "muon" and loop.mixed_precision != "fp16"


def _saved_by_lora(config: A2VConfig, whole: StateMemory) -> str:
    """What training LoRA of a finished A2V-DiT saves, with a finished SpeechAE; "": nothing."""
    try:
        import peft  # noqa: F401
    except ImportError:
        return "not known here: pip install peft"
    changes = {"lora": Lora(), "speech": "codes", "initial": config.initial or config.output / "export"}
    adapted = planned_model(config.model_copy(update=changes))
    saved = whole.together - state_memory(adapted, config.loop).together
    return (
        f"saves {_gb(saved)} GB; adapts a finished A2V-DiT (initial), with speech: codes" if saved > 0 else ""
    )


def _with_loop(config: A2VConfig, **changes: Any) -> A2VConfig:
    return config.model_copy(update={"loop": config.loop.model_copy(update=changes)})


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<14}" + "".join(f"{cell:>12}" for cell in cells)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f}"
