"""What surrounds a command: signals that end it, and a terminal, a pipe or a log that goes away meanwhile."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_STOPS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP (``docker stop``, a lost connection) end the work as Ctrl-C does.

    Where they are ignored (``nohup``) or handled already they stay so.

    Yields:
        The numbers of those that came.
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
    """Print what can be printed: output that nobody takes, or that an encoding lacks, is no error."""
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


def say(message: str) -> None:
    """Print a message as one line on standard error."""
    print(f"read-core: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201


def say_warning(message: str) -> None:
    """Print a warning, as an ``on_warning``."""
    say(f"warning: {message}")


class ForgivingStream:
    """A text stream whose ``write`` and ``flush`` never fail; all else is the stream's own.

    Attributes:
        lost: why output was dropped; None: none was.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.lost: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write ``text``; characters that the encoding lacks as escapes."""
        try:
            try:
                self.stream.write(text)
            except UnicodeEncodeError as error:
                self.stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """Send what is still to come nowhere: Python itself would fail when it flushes at the end."""
        self.lost = self.lost or error
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
