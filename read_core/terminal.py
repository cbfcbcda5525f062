"""Support for commands: their words, stop signals, and output to a terminal, pipe or log that may go away."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

_running: ContextVar[str | None] = ContextVar("running", default=None)
_STOPS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def running_command(words: Sequence[str]) -> Iterator[None]:
    """Remember the words after ``read-core`` for :func:`command_line`."""
    before = _running.set(shlex.join(["read-core", *map(_without_folders, words)]))
    try:
        yield
    finally:
        _running.reset(before)


def command_line() -> str | None:
    """The command that is running, as typed; None in a program that uses the library.

    Absolute paths are relative in the working folder; outside of it only their names are left.
    """
    return _running.get()


def _without_folders(word: str) -> str:
    name, separator, value = word.rpartition("=")  # --option=PATH, NAME=PATH
    path = Path(value)
    if not path.is_absolute():
        return word
    inside = path.is_relative_to(Path.cwd())
    return f"{name}{separator}{path.relative_to(Path.cwd()).as_posix() if inside else path.name}"


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Make SIGTERM and SIGHUP (``docker stop``, a lost connection) end the work like Ctrl-C.

    If they are ignored (``nohup``) or already handled, that is not changed.

    Yields:
        The numbers of the signals received.
    """
    came: list[int] = []

    def stop(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    ours = [number for number in _STOPS if main and signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield came
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def forgiving_output() -> Iterator[None]:
    """Make printing never fail: drop output after a broken pipe, escape characters if needed."""
    before = sys.stdout, sys.stderr
    out, err = (stream and ForgivingStream(stream) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        for stream in filter(None, (out, err)):
            stream.flush()
        if out and err and out.lost is not None and not isinstance(out.lost, BrokenPipeError):
            err.write(f"read-core: warning: some of the output is lost: {out.lost.strerror}\n")
            err.flush()
        sys.stdout, sys.stderr = before


def print_message(message: str) -> None:
    """Print a message as one line on standard error."""
    print(f"read-core: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201


def print_warning(message: str) -> None:
    """Print a warning, as an ``on_warning``."""
    print_message(f"warning: {message}")


class ForgivingStream:
    """A text stream whose ``write`` and ``flush`` never fail; everything else goes to the wrapped stream.

    Attributes:
        lost: why output was dropped; None: nothing was dropped.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.lost: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write ``text``, with escapes for characters that the encoding lacks."""
        try:
            try:
                self.stream.write(text)
            except UnicodeEncodeError as error:
                self.stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream; where nobody reads it any more, drop it."""
        try:
            self.stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """Send all further output nowhere: otherwise Python would fail when it flushes at exit."""
        self.lost = self.lost or error
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
