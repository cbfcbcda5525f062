"""Make the videos in this process, or in several of this machine. Each loads the checkpoint once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING

from ..errors import ReadError
from . import work
from .table import Row
from .work import Attempt, Models, Outcome, Waiting, killed

if TYPE_CHECKING:
    from ..pipeline import ReadPipeline


def in_this_process(waiting: Waiting, models: Models) -> Iterator[tuple[Attempt, Outcome]]:
    """Make one video after the other.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        ReadError: the device is lost.
    """
    pipe = models.load()
    while waiting:
        attempt = waiting.popleft()
        outcome = work.make_video(pipe, attempt.row)
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
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))


def _end_with_parent() -> None:
    """End this process when the first one is gone: nobody would record its videos, and it holds memory."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _attempt_in_worker(models: Models, row: Row) -> Outcome:
    """Load the models once, here and not at the start: so an error in loading reaches the first process."""
    global _pipe  # noqa: PLW0603
    if _pipe is None:
        _pipe = models.load()
    return work.make_video(_pipe, row)


def on_processes(waiting: Waiting, models: Models, workers: int) -> Iterator[tuple[Attempt, Outcome]]:
    """Make several videos at once. Each worker is a pool of one process: a kill ends its own job only.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
    """
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
                gone = isinstance(future.exception(), BrokenProcessPool)
                outcome = killed(attempt) if gone else future.result()
                idle.append(_renewed(worker) if gone or outcome.broken else worker)
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
