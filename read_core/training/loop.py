"""The loop that every stage shares: exact resume, EMA, clipping, logs, contact sheets, export.

Sample i of a stage and its noise are functions of only (seed, i). So the state is just the weights, their
average, the optimizer and the step. A killed run resumes from its last state and ends with the same weights.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..folders import replace_folder
from .config import LoopConfig
from .health import Health
from .log import Log
from .noise import SampleNoise
from .optim import make_optimizer, set_rate
from .processes import agreed, processes
from .sharding import SharedState, gathered, own, shared, whole
from .states import States

Batch = dict[str, Any]
Figures = dict[str, float]
Logged = dict[str, Tensor]
Model = Callable[..., Any]


class Stage(Protocol):
    """Interface of a stage for the loop.

    Attributes:
        model: the module whose trainable parameters are optimized.
        dataset: ``dataset[i]`` is sample i of an endless sequence: a dict of tensors, a function of only
            (seed, i).
    """

    @property
    def model(self) -> nn.Module:
        """See the class."""

    @property
    def dataset(self) -> Dataset[Batch]:
        """See the class."""

    def prepare(self, device: torch.device, /) -> None:
        """Move everything outside ``model`` (frozen encoders) to the device; measure what the loss needs."""

    def loss(self, model: Model, batch: Batch, noise: SampleNoise, /) -> tuple[Tensor, Logged]:
        """The loss of one batch, and values to log: detached scalars on the loss's device.

        A mean over samples, so that a step may be split into batches and processes. The loop reads the values
        only at logged steps, so other steps do not wait for the device. ``noise`` is that of the samples.
        """

    def sheet(self, model: nn.Module, path: Path, /) -> None:
        """Write a picture of the model's current results (it has the averaged weights).

        It may write a video, too: an MP4 of the same name.
        """

    def export(self, model: nn.Module, folder: Path, /) -> Figures:
        """Write the finished component into ``folder`` (new) and return held-out figures."""


class _Shard(Dataset[tuple[int, Batch]]):
    """The share of one process of ``world``: every ``world``-th batch of another dataset.

    An item is the sample's index in the other dataset, and the sample.
    """

    def __init__(self, base: Dataset[Batch], batch: int, batches: range, rank: int, world: int) -> None:
        self.base, self.batch, self.batches, self.rank, self.world = base, batch, batches, rank, world

    def __len__(self) -> int:
        return len(self.batches) * self.batch

    def __getitem__(self, index: int) -> tuple[int, Batch]:
        batch, place = self.batches[index // self.batch], index % self.batch
        sample = (batch * self.world + self.rank) * self.batch + place
        return sample, self.base[sample]


class _Progress:
    """The step, in the form for accelerate's ``register_for_checkpointing``."""

    def __init__(self) -> None:
        self.step = 0

    def state_dict(self) -> dict[str, int]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.step = state["step"]


class Ema:
    """Exponential moving average of the trainable weights, warmed up so that early steps fade quickly.

    With a decay of 0 it holds nothing.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad and decay}
        self.shadow = {name: p.detach().clone() for name, p in trained.items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the weights of ``model`` after step ``step``."""
        if not self.shadow:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        now = dict(model.named_parameters())
        averages, weights = list(self.shadow.values()), [now[name] for name in self.shadow]
        torch._foreach_lerp_([own(t) for t in averages], [own(t) for t in weights], 1 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange the weights of ``model`` with the average; a second call undoes the first."""
        for name, p in model.named_parameters():
            if name in self.shadow:
                kept = p.detach().clone()
                p.copy_(self.shadow[name])
                self.shadow[name].copy_(kept)

    def state_dict(self) -> dict[str, Tensor]:
        """What accelerate saves."""
        return self.shadow

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over what :meth:`state_dict` gave."""
        for name, value in self.shadow.items():
            value.copy_(state[name])


def learning_rate_factor(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then a cosine to zero at ``config.steps``; between 0 and 1."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.steps)))


def train(stage: Stage, config: LoopConfig, output: Path, *, stop_after: int | None = None) -> Figures:
    """Train ``stage`` to ``config.steps``, resuming from ``output/state`` if there is one, and export it.

    Args:
        stop_after: save the state and return after this many steps of this call (for tests).

    Returns:
        The figures of ``stage.export``, also in ``output/figures.json``; empty when stopped early.

    Raises:
        TrainingError: the loss or the gradient of a step is not finite. No state is written after it.
        ConfigError: the state was written with another ``config.parallel``, or the model cannot be shared.
    """
    set_seed(config.seed)
    output.mkdir(parents=True, exist_ok=True)
    processes()
    accelerator = Accelerator(mixed_precision=config.mixed_precision, cpu=not torch.cuda.is_available())
    stage.prepare(accelerator.device)
    model, runner, optimizer = _prepared(stage.model, config, accelerator)
    base_rates = [float(group["lr"]) for group in optimizer.param_groups]
    inner = accelerator.unwrap_model(model)
    ema, progress, health = Ema(inner, config.ema), _Progress(), Health(accelerator)
    parts = SharedState(inner, optimizer, ema.state_dict()) if config.parallel == "fsdp" else None
    states = States(accelerator, output, [progress] if parts else [ema, progress], parts)
    states.resume()

    first, saved = progress.step, time.monotonic()
    log = Log(output, first, config.steps, config.tensorboard) if accelerator.is_main_process else None
    batches = _batches(stage.dataset, config, accelerator, first)
    for step in range(first, config.steps):
        _set_rates(optimizer, base_rates, learning_rate_factor(step, config))
        model.train()
        values = _backward(stage, (model, runner), batches, config.accumulate, accelerator)
        norm = gathered(accelerator.clip_grad_norm_(inner.parameters(), config.clip))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        ema.update(inner, step)
        progress.step = step + 1
        health.see(progress.step, values["loss"], norm)
        stopping = stop_after is not None and progress.step - first >= stop_after
        due = agreed(time.monotonic() - saved > config.save_minutes * 60)  # each process has its own clock
        saving = stopping or due or progress.step == config.steps
        logging = progress.step % config.log_every == 0
        drawing = config.sheet_every > 0 and progress.step % config.sheet_every == 0
        if saving or logging or drawing:
            health.check(states.latest())
        if logging:  # a mean over processes, which all of them take part in
            values = {name: accelerator.reduce(value, "mean") for name, value in values.items()}
        if log is not None:
            log.step(progress.step, {**values, "norm": norm} if logging else None)
        if drawing:
            with _averaged(stage, inner, ema):
                if log is not None:
                    log.sheet(progress.step, _draw(stage, output / "sheets" / f"{progress.step:07d}.png"))
        if saving:
            states.save(progress.step)
            saved = time.monotonic()
        if stopping and progress.step < config.steps:
            break
    if log is not None:
        log.close()
    if progress.step < config.steps:
        return {}
    with _averaged(stage, inner, ema):
        return _export(stage, output) if accelerator.is_main_process else {}


def _set_rates(optimizer: Any, base_rates: Sequence[float], factor: float) -> None:
    for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
        set_rate(group, rate * factor)


def _backward(
    stage: Stage,
    models: tuple[nn.Module, Model],
    batches: Iterator[tuple[Batch, SampleNoise]],
    count: int,
    accelerator: Accelerator,
) -> Logged:
    """Gradients of one step: the mean over ``count`` batches, and over processes.

    Args:
        models: the model, and what calls it.

    Returns:
        The means of the loss and of what is logged, over this process's batches.
    """
    means: Logged = {}
    for left in reversed(range(count)):
        batch, noise = next(batches)
        with accelerator.no_sync(models[0]) if left else nullcontext():
            loss, logged = stage.loss(models[1], batch, noise)
            accelerator.backward(loss / count)
        for name, value in ({"loss": loss.detach()} | logged).items():
            means[name] = means.get(name, 0) + value / count
    return means


def _batches(
    dataset: Dataset[Batch], config: LoopConfig, accelerator: Accelerator, step: int
) -> Iterator[tuple[Batch, SampleNoise]]:
    batches = range(step * config.accumulate, config.steps * config.accumulate)
    shard = _Shard(dataset, config.batch_size, batches, accelerator.process_index, accelerator.num_processes)
    loader = DataLoader(
        shard,
        batch_size=config.batch_size,
        generator=torch.Generator(),  # starting a loader draws: spare the global generator
        num_workers=config.workers,
        multiprocessing_context="spawn" if config.workers else None,
        persistent_workers=bool(config.workers),
    )
    for samples, batch in loader:
        placed = {k: v.to(accelerator.device) if isinstance(v, Tensor) else v for k, v in batch.items()}
        yield placed, SampleNoise(config.seed, samples.tolist())


def _prepared(
    model: nn.Module, config: LoopConfig, accelerator: Accelerator
) -> tuple[nn.Module, Model, torch.optim.Optimizer]:
    """What is trained in place of ``model`` (maybe itself), what calls it, and the optimizer."""
    sharing = config.parallel == "fsdp"
    model = shared(model) if sharing else model
    optimizer = make_optimizer(model, config)
    if not sharing:
        model, optimizer = accelerator.prepare(model, optimizer)
    runner = torch.compile(model) if config.compile else model
    # accelerate does so with a model that it prepares
    return model, _under_autocast(runner, accelerator) if sharing else runner, optimizer


def _under_autocast(model: Model, accelerator: Accelerator) -> Model:
    def call(*arguments: Any) -> Any:
        with accelerator.autocast():
            return model(*arguments)

    return call


@contextmanager
def _averaged(stage: Stage, model: nn.Module, ema: Ema) -> Iterator[None]:
    """Inside, the stage's model on the main process has the averaged weights; all processes must enter."""
    ema.swap(model)
    with whole(stage.model, model), torch.no_grad():
        stage.model.eval()
        yield
    ema.swap(model)


def _draw(stage: Stage, sheet: Path) -> Path:
    sheet.parent.mkdir(parents=True, exist_ok=True)
    stage.sheet(stage.model, sheet)
    return sheet


def _export(stage: Stage, output: Path) -> Figures:
    target, temporary = output / "export", output / "export.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    figures = stage.export(stage.model, temporary)
    replace_folder(temporary, target)
    (output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures
