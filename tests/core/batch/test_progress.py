"""What ``read-core batch`` shows: lines in a log, and on a terminal a table below them."""

from __future__ import annotations

import io
import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from read_core.batch import progress, work
from read_core.batch.engines import run_rows
from read_core.batch.progress import Board, Lines, progress_for
from read_core.batch.results import DONE, FAILED, Result
from read_core.batch.work import Models, Outcome


def row(out: str) -> Any:
    return SimpleNamespace(asked={"out": out}, job=SimpleNamespace(out=Path(out), overwrite=False))


def screen(written: str) -> list[str]:
    """What a terminal shows of it."""
    lines, at = [""], 0
    for part in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            at += 1
            lines += [""] * (at == len(lines))
        elif part.endswith("A") and part[0] == "\x1b":
            at -= int(part[2:-1])
            assert at >= 0
        elif part == "\x1b[J":
            lines[at:] = [""]
        elif part != "\r":
            lines[at] += part
    return lines[:-1]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: (120, 24))


def told(kind, stream, clock):
    """Three jobs of two workers: one ends well, one is tried again and fails, one is under way."""
    shown = kind(3, 2, stream, clock)
    shown.started(row("a.mp4"), 1)
    shown.started(row("bb.mp4"), 1)
    clock.now += 5
    shown.stopped(row("bb.mp4"))
    shown.started(row("bb.mp4"), 2)
    clock.now += 5
    shown.stopped(row("a.mp4"))
    shown.ended(row("a.mp4"), Result("a.mp4", DONE, 50, 9.5))
    shown.started(row("c.mp4"), 1)
    clock.now += 10
    shown.stopped(row("bb.mp4"))
    shown.ended(row("bb.mp4"), Result("bb.mp4", FAILED, attempts=2, message="out of memory"))
    clock.now += 65
    return shown


LINES = [
    "1/3 done: a.mp4: 50 frames in 9.5 s; about 20 s left",
    "2/3 failed: bb.mp4: out of memory, attempt 2; about 10 s left",
]


def test_a_log_gets_a_line_for_each_job_that_ended():
    stream = io.StringIO()
    told(Lines, stream, Clock())
    assert stream.getvalue().splitlines() == LINES


def test_a_terminal_shows_the_same_lines_above_a_table_of_what_runs(wide):
    stream = io.StringIO()
    told(Board, stream, Clock()).draw()
    assert screen(stream.getvalue()) == [
        *LINES,
        "under way  attempt     time",
        "c.mp4            1     1:15",
        "1 done, 1 failed, 1 left; 1 of 2 workers busy",
        "1.4 videos a minute, 0.6 frames a second, about 0:42 left",
    ]


def test_the_second_attempt_is_told(wide):
    stream, clock = io.StringIO(), Clock()
    board = Board(1, 1, stream, clock)
    board.started(row("a.mp4"), 2)
    clock.now += 3700
    board.draw()
    assert screen(stream.getvalue()) == [
        "under way  attempt     time",
        "a.mp4            2  1:01:40",
        "0 done, 0 failed, 1 left; 1 of 1 workers busy",
        "no speed yet",
    ]


def test_the_table_fits_into_a_small_terminal_and_goes_away(monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: (40, 7))
    stream = io.StringIO()
    with Board(9, 9, stream, Clock()) as board:
        for number in range(5):
            board.started(row(f"{number}.mp4"), 1)
        shown = screen(stream.getvalue())
    assert [line.split()[0] for line in shown] == ["under", "0.mp4", "1.mp4", "and", "0", "no"]
    assert shown[3] == "and 3 more"
    assert max(map(len, shown)) == 39
    assert screen(stream.getvalue()) == []


def test_the_table_is_redrawn_while_nothing_happens(wide, monkeypatch):
    monkeypatch.setattr(progress, "PERIOD", 0.001)
    stream, clock = io.StringIO(), Clock()
    drawn = threading.Event()
    with Board(1, 1, stream, clock) as board:
        board.started(row("a.mp4"), 1)
        clock.now += 7
        monkeypatch.setattr(stream, "flush", drawn.set)
        assert drawn.wait(60)
        assert screen(stream.getvalue())[1].endswith("0:07")


@pytest.mark.parametrize(
    ("tty", "term", "kind"), [(True, "xterm", Board), (True, "dumb", Lines), (False, "xterm", Lines)]
)
def test_only_a_terminal_gets_the_table(monkeypatch, tty, term, kind):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: tty, raising=False)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("WT_SESSION", "1")
    assert type(progress_for(1, 1)) is kind


def test_the_engine_tells_when_attempts_begin_and_end(monkeypatch):
    heard: list[tuple[Any, ...]] = []

    def started(attempt):
        heard.append(("started", attempt.row.asked["out"], attempt.number))

    def stopped(row):
        heard.append(("stopped", row.asked["out"]))

    outcomes = iter(
        [Outcome(Result("a", FAILED), try_again=True), Outcome(Result("b", DONE)), Outcome(Result("a", DONE))]
    )
    monkeypatch.setattr(work, "make_video", lambda *_: next(outcomes))
    monkeypatch.setattr(Models, "load", lambda _: None)
    jobs = [row("a"), row("b")]
    found = list(run_rows("local", jobs, Models(Path()), 1, 1, on_start=started, on_stop=stopped))
    assert [result.state for _, result in found] == [DONE, DONE]
    assert heard == [
        ("started", "a", 1), ("stopped", "a"),
        ("started", "b", 1), ("stopped", "b"),
        ("started", "a", 2), ("stopped", "a"),
    ]  # fmt: skip
