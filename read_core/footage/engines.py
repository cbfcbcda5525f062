"""Run units of work in this process, in several processes, or on Ray; all call the same function."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ..errors import InputError, MediaError
from ..on_ray import ray_for, shared_gpus
from .settings import Settings
from .units import Outcome, Unit, work

ENGINES = ("processes", "ray")
KILLED = (
    "a process was killed at work, often for lack of memory; what is finished is kept. Run the same command "
    "again to go on, with fewer --workers, or in another folder with a smaller --span"
)


def run_units(
    engine: str, workers: int, out: Path, settings: Settings, units: Sequence[Unit]
) -> Iterator[Outcome]:
    """Do all units, in any order; yield each outcome when it is ready.

    Raises:
        MediaError: a process was killed.
        InputError: an unknown engine, or one that is not installed.
    """
    if engine == "ray":
        yield from _on_ray(workers, out, settings, units)
    elif engine != "processes":
        raise InputError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
    elif workers == 1 or len(units) < 2:
        for unit in units:
            yield work(out, settings, unit)
    else:
        yield from _on_processes(workers, out, settings, units)


def _on_processes(workers: int, out: Path, settings: Settings, units: Sequence[Unit]) -> Iterator[Outcome]:
    context = get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (context.Value("i", 0),))
    try:
        for future in as_completed([pool.submit(_work, out, settings, unit) for unit in units]):
            yield future.result()
    except BrokenProcessPool as error:
        raise MediaError(f"{out}: {KILLED}") from error
    finally:
        pool.shutdown(cancel_futures=True)


_number = 0  # of a worker process


def _start_worker(started: Any) -> None:
    """Take a number, and use one thread. After Ctrl-C, which all processes get, a worker finishes its unit.

    Args:
        started: a shared value: how many workers have started.
    """
    global _number  # noqa: PLW0603
    import torch

    with started.get_lock():
        _number = started.value
        started.value += 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _work(out: Path, settings: Settings, unit: Unit) -> Outcome:
    return work(out, settings, unit, _number)


def _absolute(out: Path, settings: Settings, units: Sequence[Unit]) -> tuple[Path, Settings, list[Unit]]:
    """The same with absolute paths: workers of Ray run in another folder."""
    file = settings.detector_file
    settings = replace(
        settings,
        vae=settings.vae.resolve(),
        whisper=settings.whisper.resolve(),
        detector_file=None if file is None else file.resolve(),
    )
    sources = [replace(unit.source, path=unit.source.path.resolve()) for unit in units]
    return (
        out.resolve(),
        settings,
        [replace(unit, source=source) for unit, source in zip(units, sources, strict=True)],
    )


def _on_ray(workers: int, out: Path, settings: Settings, units: Sequence[Unit]) -> Iterator[Outcome]:
    out, settings, units = _absolute(out, settings, units)
    with ray_for(workers) as (ray, _):
        remote = ray.remote(max_retries=0, num_gpus=shared_gpus(ray, workers, settings.device))(work)
        waiting = [remote.remote(out, settings, unit) for unit in units]
        try:
            while waiting:
                ready, waiting = ray.wait(waiting)
                yield from ray.get(ready)
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
            raise MediaError(f"{out}: {KILLED}") from error
