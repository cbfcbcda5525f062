"""Show how the jobs of a table go: a line for each, and on a terminal also a table that is redrawn."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from ..terminal import print_warning
from .results import FAILED

if TYPE_CHECKING:
    from .results import Result
    from .table import Row

PERIOD = 1.0  # seconds between two drawings


@dataclass
class Lines:
    """One line for each job that ended: number, state, seconds, time left.

    Attributes:
        total: number of jobs.
        workers: videos that are made at once.
        stream: where to write.
        clock: the time in seconds.
    """

    total: int
    workers: int
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    clock: Callable[[], float] = time.perf_counter
    states: Counter[str] = field(init=False, default_factory=Counter)
    frames: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None: ...

    def started(self, row: Row, attempt: int) -> None:
        """A worker begins with a job."""

    def stopped(self, row: Row) -> None:
        """An attempt has ended, well or not."""

    def ended(self, row: Row, result: Result) -> None:
        """A job has its final result."""
        self.states[result.state] += 1
        self.frames += result.frames
        words = f"{result.frames} frames in {result.seconds:.1f} s" if result.frames else result.message
        tried = f", attempt {result.attempts}" if result.attempts > 1 else ""
        what = f"{result.state}: {row.asked['out']}: {words}{tried}"
        self.stream.write(f"{self.done}/{self.total} {what}; about {self.left:.0f} s left\n")
        self.stream.flush()

    def warned(self, message: str) -> None:
        """Print a warning, as an ``on_warning``."""
        print_warning(message)

    @property
    def done(self) -> int:
        """Jobs that have ended."""
        return self.states.total()

    @property
    def left(self) -> float:
        """Seconds that the rest will take, at the speed so far; after the first result."""
        return (self.clock() - self.begun) / self.done * (self.total - self.done)


@dataclass
class Board(Lines):
    """The same lines, and below them a table of the jobs under way, redrawn every second. For a terminal."""

    running: dict[str, tuple[int, float]] = field(init=False, default_factory=dict)  # attempt, and its begin
    drawn: int = field(init=False, default=0)  # lines

    def __post_init__(self) -> None:
        super().__post_init__()
        self.closed, self.lock = threading.Event(), threading.RLock()
        self.ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Board:
        self.ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self.ticker.join()
        self._draw([])

    def started(self, row: Row, attempt: int) -> None:
        """A worker begins with a job."""
        with self.lock:
            self.running[row.asked["out"]] = attempt, self.clock()
            self.draw()

    def stopped(self, row: Row) -> None:
        """An attempt has ended, well or not."""
        with self.lock:
            self.running.pop(row.asked["out"], None)

    def ended(self, row: Row, result: Result) -> None:
        """A job has its final result: its line stays above the table."""
        with self.lock:
            self._draw([])
            super().ended(row, result)
            self.draw()

    def warned(self, message: str) -> None:
        """Print a warning above the table."""
        with self.lock:
            self._draw([])
            super().warned(message)
            self.draw()

    def draw(self) -> None:
        """Draw the table over the last one."""
        with self.lock:
            self._draw(self._table(*shutil.get_terminal_size()))

    def _table(self, columns: int, lines: int) -> list[str]:
        failed, passed = self.states[FAILED], self.clock() - self.begun
        shown = list(self.running.items())[: max(1, lines - 5)]
        width = max([len("under way"), *(len(out) for out, _ in shown)])
        table = [f"{'under way':{width}}  attempt     time"]
        for out, (attempt, begun) in shown:
            table.append(f"{out:{width}}  {attempt:7}  {_clock(self.clock() - begun):>7}")
        if len(self.running) > len(shown):
            table.append(f"and {len(self.running) - len(shown)} more")
        counts = f"{self.done - failed} done, {failed} failed, {self.total - self.done} left"
        busy = f"{len(self.running)} of {self.workers} workers busy"
        speed = "no speed yet"
        if self.done:
            rate = (
                f"{60 * self.done / passed:.1f} videos a minute, {self.frames / passed:.1f} frames a second"
            )
            speed = f"{rate}, about {_clock(self.left)} left"
        table += [f"{counts}; {busy}", speed]
        return [line[: columns - 1] for line in table]

    def _draw(self, table: list[str]) -> None:
        back = f"\x1b[{self.drawn}A" if self.drawn else ""
        self.stream.write(f"{back}\r\x1b[J" + "".join(f"{line}\n" for line in table))
        self.stream.flush()
        self.drawn = len(table)

    def _tick(self) -> None:
        while not self.closed.wait(PERIOD):
            self.draw()


def progress_for(total: int, workers: int) -> Lines:
    """A board on a terminal that can redraw, else lines."""
    plain = os.environ.get("TERM") == "dumb" or (os.name == "nt" and "WT_SESSION" not in os.environ)
    return Lines(total, workers) if plain or not sys.stdout.isatty() else Board(total, workers)


def _clock(seconds: float) -> str:
    """Seconds as "0:05", or "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
