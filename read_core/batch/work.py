"""The work on one job: what a worker loads, an attempt to make a video, and what it gave."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..device import device_of_worker, works
from ..errors import InputError, MediaError, ReadError, ignore
from .results import DONE, FAILED, Result
from .table import Row, checksum

if TYPE_CHECKING:
    from ..pipeline import ReadPipeline

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
        return replace(self, device=device_of_worker(number)) if self.device is None else self

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
    """A row that is to be tried.

    Attributes:
        row: the row.
        number: how often it was tried, this time included.
        claimed: whether work has begun, and what is then found under the name of its video is this work's:
            before there was nothing, or what may be replaced.
    """

    row: Row
    number: int = 1
    claimed: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one attempt gave.

    Attributes:
        result: of the job.
        try_again: whether another attempt may give more.
        broken: the process can no longer use its device; a new one can.
        unseen: an input file that is not on the worker's machine; None: both are, or nobody has looked.
    """

    result: Result
    try_again: bool = False
    broken: bool = False
    unseen: Path | None = None


def is_here(path: Path) -> bool:
    """Whether this machine has a file; unlike Path.exists, never raises."""
    return os.access(path, os.F_OK)


class Waiting(deque[Attempt]):
    """Attempts to make; whoever takes one begins with it. ``on_start`` is called with it before."""

    def __init__(self, attempts: Iterable[Attempt], on_start: Callable[[Attempt], None]) -> None:
        super().__init__(attempts)
        self.on_start = on_start

    def popleft(self) -> Attempt:
        """The next attempt, which begins."""
        attempt = super().popleft()
        job = attempt.row.job
        attempt = replace(attempt, claimed=job.overwrite or not is_here(job.out))
        self.on_start(attempt)
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


def killed(attempt: Attempt) -> Outcome:
    """What an attempt gave whose worker is gone; it may have finished its video."""
    left = checksum(attempt.row.job.out) if attempt.claimed else ""
    return Outcome(Result(attempt.row.asked["out"], FAILED, message=KILLED, sha256=left), try_again=True)
