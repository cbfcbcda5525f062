"""Memory of a training's state, by arithmetic on a model without weights: ``read-core train --dry-run``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..speech import SpeechAE
from ..transformer import A2VTransformer3DModel
from ..weights.files import read_json
from ..weights.ltx_transformer import read_ltx_config
from .config import ConfigError, LoopConfig, StageConfig
from .optim import make_optimizer
from .stages.a2v import A2VConfig, Conditioned
from .stages.lora import add_lora
from .stages.speech_variants import TRAINED_ALONG, tuned

_MOMENTS = 2  # of a parameter in Adam; momentum alone in Muon
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


def planned_model(config: A2VConfig) -> Conditioned:
    """The model that the stage trains, without weights.

    Sizes are those of the folders that the configuration names. Where a folder does not exist yet, they are
    LTX-Video 2B's and the paper's, with what ``model`` says.
    """
    sizes: dict[str, Any] = {}
    if config.initial is not None and _is_there(config.initial):
        found = A2VTransformer3DModel.load_config(config.initial, local_files_only=True)
        sizes = {**A2VTransformer3DModel.extract_init_dict(found)[0]}
    elif config.ltx is not None and _is_there(config.ltx):
        sizes = read_ltx_config(config.ltx)
    with torch.device("meta"):
        transformer = A2VTransformer3DModel(**{**sizes, **config.model})
        if config.lora is not None:
            add_lora(transformer, config.lora)
        speech_ae = _planned_speech(config, transformer)
    return Conditioned(transformer, speech_ae)


def _planned_speech(config: A2VConfig, transformer: A2VTransformer3DModel) -> SpeechAE | None:
    along = config.speech in TRAINED_ALONG
    if not along and (config.footage is None or config.speech == "pooled"):
        return None
    asked = transformer.config
    sizes: dict[str, Any] = {"code_window": asked.code_slots, "code_dim": asked.code_dim}
    if _is_there(config.speech_ae):
        sizes = SpeechAE.extract_init_dict(read_json(config.speech_ae / "config.json"))[0]
    speech_ae: SpeechAE = SpeechAE(**sizes)
    return tuned(speech_ae) if along else speech_ae.requires_grad_(False)


def _is_there(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def report(config: StageConfig) -> Iterator[str]:
    """Lines for the user: the state's memory by part, and what each option saves.

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
    yield "Activations come on top and are not counted."
    yield f"On the disk a state has {_gb(whole.written)} GB; two are there while one is written."
    yield ""
    for option, saved in _options(model, config, whole):
        yield f"{option:<32}{saved}"


def _options(model: Conditioned, config: A2VConfig, whole: StateMemory) -> Iterator[tuple[str, str]]:
    """What could be set in the configuration, and what that saves."""
    for key, value in (("ema", 0), ("optimizer", "adamw_8bit"), ("optimizer", "muon")):
        changed = state_memory(model, config.loop.model_copy(update={key: value}))
        if changed.together < whole.together:
            yield f"loop.{key}: {value}", f"saves {_gb(whole.together - changed.together)} GB"
    if config.speech in TRAINED_ALONG:
        frozen = planned_model(config.model_copy(update={"speech": "codes"}))
        saved = whole.together - state_memory(frozen, config.loop).together
        yield "speech: codes", f"saves {_gb(saved)} GB"
    if not config.gradient_checkpointing:
        yield "gradient_checkpointing: true", "saves activations"
    if config.loop.batch_size > 1:
        yield "loop.batch_size: 1", "saves activations; loop.accumulate keeps the samples of a step"
    if config.loop.mixed_precision == "no":
        yield "loop.mixed_precision: bf16", "saves activations; the state stays float32"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<14}" + "".join(f"{cell:>12}" for cell in cells)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f}"
