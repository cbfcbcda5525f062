"""Make the videos in this process, in several processes or in Ray actors. Each loads the checkpoint once."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..device import works
from ..errors import InputError, MediaError, OnWarning, ReadError, ignore, warn
from ..on_ray import ray_for, shared_gpus
from .results import DONE, FAILED, Result
from .table import Row, checksum

if TYPE_CHECKING:
    from ..pipeline import ReadPipeline
    from .progress import Lines

ENGINES = ("local", "ray")
KILLED = "its process was killed, often for lack of memory; use fewer workers, or a smaller size"


@dataclass(frozen=True)
class Models:
    """What a worker loads.

    Attributes:
        checkpoint: the folder.
        device, dtype: None: chosen as by ``read-core generate``.
        compiled: compile A2V-DiT, see ``read_core.compiler.compile_transformer``.
        gpus: GPUs that Ray sets apart for a worker; None: one, but none for the device ``cpu``. Where Ray is
            started on this machine for this work, its workers share the GPUs evenly.
        attention: backend of attention, see ``read_core.transformer.backends``; None: PyTorch's.
    """

    checkpoint: Path
    device: str | None = None
    dtype: str | None = None
    compiled: bool = False
    gpus: float | None = None
    attention: str | None = None

    def of_worker(self, number: int) -> Models:
        """What worker ``number`` of this machine loads: each takes another GPU, if there are several.

        A device that was named is everybody's.
        """
        import torch

        count = torch.cuda.device_count()
        return replace(self, device=f"cuda:{number % count}") if self.device is None and count > 1 else self

    def load(self) -> ReadPipeline:
        """The pipeline.

        Raises:
            CheckpointError: see ``ReadPipeline.from_pretrained``.
            InputError: there is no compiler, or the backend of attention cannot be used.
        """
        import torch

        from ..compiler import compile_transformer
        from ..pipeline import ReadPipeline
        from ..transformer.backends import set_attention

        dtype = None if self.dtype is None else getattr(torch, self.dtype)
        pipe = ReadPipeline.from_pretrained(self.checkpoint, self.device, dtype)
        if self.attention is not None:
            set_attention(pipe.transformer, self.attention, pipe.prompt.mask)
        if self.compiled:
            compile_transformer(pipe)
        return pipe


@dataclass(frozen=True)
class Attempt:
    """A row and how often it was tried, this time included."""

    row: Row
    number: int = 1


@dataclass(frozen=True)
class Outcome:
    """What one attempt gave.

    Attributes:
        result: of the job.
        try_again: whether another attempt may give more.
        broken: the process can no longer use its device; a new one can.
    """

    result: Result
    try_again: bool = False
    broken: bool = False


def run_rows(
    engine: str,
    rows: Sequence[Row],
    models: Models,
    workers: int,
    retries: int,
    on_warning: OnWarning = warn,
    watch: Lines | None = None,
) -> Iterator[tuple[Row, Result]]:
    """Make the videos of all rows, in any order; yields each result when it is final.

    A job that fails is tried again, up to ``retries`` times, unless its input is at fault. So is one whose
    worker was killed; a new worker then takes the place of that one.

    ``watch`` is told when a worker begins with a job and when it has ended.

    Raises:
        InputError: an unknown engine, or one that is not installed.
        CheckpointError: the checkpoint cannot be loaded.
    """
    if engine not in ENGINES:
        raise InputError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
    waiting = _Waiting((Attempt(row) for row in rows), watch)
    if engine == "ray":
        outcomes = _on_ray(waiting, models, workers, on_warning)
    elif workers == 1:
        outcomes = _in_this_process(waiting, models)
    else:
        outcomes = _on_processes(waiting, models, workers)
    for attempt, outcome in outcomes:
        if watch is not None:
            watch.stopped(attempt.row)
        if outcome.try_again and attempt.number <= retries:
            waiting.append(Attempt(attempt.row, attempt.number + 1))
        else:
            yield attempt.row, replace(outcome.result, attempts=attempt.number)


class _Waiting(deque[Attempt]):
    """Attempts to make; whoever takes one begins with it."""

    def __init__(self, attempts: Iterable[Attempt], watch: Lines | None = None) -> None:
        super().__init__(attempts)
        self.watch = watch

    def popleft(self) -> Attempt:
        attempt = super().popleft()
        if self.watch is not None:
            self.watch.started(attempt.row, attempt.number)
        return attempt


def make_video(pipe: ReadPipeline, row: Row) -> Outcome:
    """Make one video; a failure is an outcome too."""
    from ..generate.job import generate

    out = row.asked["out"]
    try:
        row.job.out.parent.mkdir(parents=True, exist_ok=True)
        report = generate(pipe, row.job, on_warning=ignore)
    except (InputError, MediaError) as error:
        return Outcome(Result(out, FAILED, message=str(error)))
    except (ReadError, OSError, RuntimeError) as error:
        failed = Result(out, FAILED, message=" ".join(str(error).split()))
        return Outcome(failed, try_again=True, broken=not works(pipe.transformer.device))
    except Exception as error:  # a fault of one job must not end the others
        fault = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Outcome(Result(out, FAILED, message=fault))
    return Outcome(
        Result(out, DONE, report.num_frames, round(report.seconds, 2), sha256=checksum(row.job.out))
    )


def _killed(row: Row) -> Outcome:
    return Outcome(Result(row.asked["out"], FAILED, message=KILLED), try_again=True)


def _in_this_process(waiting: deque[Attempt], models: Models) -> Iterator[tuple[Attempt, Outcome]]:
    pipe = models.load()
    while waiting:
        attempt = waiting.popleft()
        outcome = make_video(pipe, attempt.row)
        if outcome.broken:
            raise ReadError(
                f"this process can no longer use {pipe.transformer.device} ({outcome.result.message}); run "
                "the same command again: finished videos are kept"
            )
        yield attempt, outcome


_pipe: ReadPipeline | None = None  # of a worker process


def _start_worker(workers: int = 1) -> None:
    """Share the processor's cores. After Ctrl-C, which all processes get, the first process decides."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))


def _attempt_in_worker(models: Models, row: Row) -> Outcome:
    """Load the models once, here and not at the start: so an error in loading reaches the first process."""
    global _pipe  # noqa: PLW0603
    if _pipe is None:
        _pipe = models.load()
    return make_video(_pipe, row)


def _on_processes(waiting: deque[Attempt], models: Models, workers: int) -> Iterator[tuple[Attempt, Outcome]]:
    """Each worker is a pool of one process: one that is killed ends its own job only."""
    workers = min(workers, len(waiting))
    idle = [_Worker(_pool(workers), models.of_worker(number), workers) for number in range(workers)]
    under_way: dict[Future[Outcome], tuple[Attempt, _Worker]] = {}
    try:
        while waiting or under_way:
            while waiting and idle:
                attempt, worker = waiting.popleft(), idle.pop()
                try:
                    future = worker.pool.submit(_attempt_in_worker, worker.models, attempt.row)
                except BrokenProcessPool:  # killed while it had no job
                    waiting.appendleft(attempt)
                    idle.append(_renewed(worker))
                else:
                    under_way[future] = attempt, worker
            ended, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                attempt, worker = under_way.pop(future)
                killed = isinstance(future.exception(), BrokenProcessPool)
                outcome = _killed(attempt.row) if killed else future.result()
                idle.append(_renewed(worker) if killed or outcome.broken else worker)
                yield attempt, outcome
    finally:
        for worker in (*idle, *(worker for _, worker in under_way.values())):
            for process in list((worker.pool._processes or {}).values()):
                process.terminate()
            worker.pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Worker:
    """A process, what it loads, and with how many it shares the machine."""

    pool: ProcessPoolExecutor
    models: Models
    workers: int


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), _start_worker, (workers,))


def _renewed(broken: _Worker) -> _Worker:
    """Another process for the same device."""
    broken.pool.shutdown()
    return replace(broken, pool=_pool(broken.workers))


class _Actor:
    """A worker of Ray."""

    def __init__(self, models: Models, threads: int) -> None:
        self.models, self.threads = models, threads
        self.pipe: ReadPipeline | None = None

    def make(self, row: Row) -> Outcome:
        """Make one video; the first one loads the models, so that an error in loading is this call's."""
        if self.pipe is None:
            import torch

            torch.set_num_threads(self.threads)
            self.pipe = self.models.load()
        return make_video(self.pipe, row)


def _on_ray(
    waiting: deque[Attempt], models: Models, workers: int, on_warning: OnWarning
) -> Iterator[tuple[Attempt, Outcome]]:
    with ray_for(workers) as (ray, here):
        kind = ray.remote(num_cpus=1, num_gpus=_gpus(ray, here, models, workers, on_warning))(_Actor)
        workers = min(workers, len(waiting))
        threads = max(1, (os.cpu_count() or 1) // workers) if here else 1  # Ray would give each one thread
        idle = [kind.remote(models, threads) for _ in range(workers)]
        under_way: dict[Any, tuple[Attempt, Any]] = {}
        while waiting or under_way:
            while waiting and idle:
                attempt, actor = waiting.popleft(), idle.pop()
                under_way[actor.make.remote(attempt.row)] = (attempt, actor)
            ready, _ = ray.wait(list(under_way))
            for reference in ready:
                attempt, actor = under_way.pop(reference)
                try:
                    outcome = ray.get(reference)
                except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError):
                    outcome, actor = _killed(attempt.row), kind.remote(models, threads)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                if outcome.broken:
                    ray.kill(actor)
                    actor = kind.remote(models, threads)
                idle.append(actor)
                yield attempt, outcome


def _gpus(ray: Any, here: bool, models: Models, workers: int, on_warning: OnWarning) -> float:
    """GPUs of an actor. Of a cluster, how many it has now means nothing: it may grow."""
    if here and models.gpus is None:
        return shared_gpus(ray, workers, models.device)
    needed = float(models.device != "cpu") if models.gpus is None else models.gpus
    if needed > (present := ray.cluster_resources().get("GPU", 0)):
        on_warning(
            f"a worker needs GPUs: {needed:g}; Ray has now: {present:g}. The workers wait for more; for CPUs "
            "pass --device cpu"
        )
    return needed
