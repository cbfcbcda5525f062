"""Make the videos of a table by one of the engines, and try again what may work the next time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from ..errors import InputError, OnWarning, warn
from .actors import on_ray
from .processes import in_this_process, on_processes
from .results import Result
from .table import Row, overwriting
from .work import Attempt, Models, Waiting

ENGINES = ("local", "ray")


def run_rows(
    engine: str,
    rows: Sequence[Row],
    models: Models,
    workers: int,
    retries: int,
    on_warning: OnWarning = warn,
    on_start: Callable[[Attempt], None] = lambda _: None,
    on_stop: Callable[[Row], None] = lambda _: None,
) -> Generator[tuple[Row, Result], None, None]:
    """Make the videos of all rows, in any order; yields each result when it is final.

    A job that fails is tried again, up to ``retries`` times, unless its input is at fault. So is one whose
    worker was killed; a new worker then takes the place of that one, and may replace what it has left.

    ``on_start`` is called with an attempt before a worker begins with it, ``on_stop`` with its row when it
    has ended.

    Raises:
        InputError: an unknown engine, or one that is not installed.
        CheckpointError: the checkpoint cannot be loaded.
        ReadError: the only process has lost its device, or no worker of Ray can work.
    """
    if engine not in ENGINES:
        raise InputError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
    waiting = Waiting((Attempt(row) for row in rows), on_start)
    if engine == "ray":
        outcomes = on_ray(waiting, models, workers, on_warning)
    elif workers == 1:
        outcomes = in_this_process(waiting, models)
    else:
        outcomes = on_processes(waiting, models, workers)
    for attempt, outcome in outcomes:
        on_stop(attempt.row)
        if outcome.try_again and attempt.number <= retries:
            left = outcome.result.sha256  # a killed worker's video, whose result is lost
            waiting.append(Attempt(overwriting(attempt.row) if left else attempt.row, attempt.number + 1))
        else:
            yield attempt.row, replace(outcome.result, attempts=attempt.number)
