"""Errors that a user can cause. Each message says what was found, what was expected and what to do.

Their ``__module__`` is the package: hosts show that name before the message, and a long path would hide the
message.

A warning is about input that works but is probably a mistake. A function that may warn takes ``on_warning``
and calls it with the text. The default issues a Python warning, ``ReadWarning``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

OnWarning = Callable[[str], None]


class ReadError(ValueError):
    """Base of all errors caused by bad input. The command line prints only its text and exits with 2."""

    __module__ = "read_core"


class MediaError(ReadError):
    """A file cannot be read as image, audio or video, or an output cannot be written."""

    __module__ = "read_core"


class InputError(ReadError):
    """A value is out of range: window, steps, scale, size, or an empty or non-finite tensor."""

    __module__ = "read_core"


class CheckpointError(ReadError):
    """A checkpoint folder is missing, incomplete, of another kind or unsafe."""

    __module__ = "read_core"


class ReadWarning(UserWarning):
    """Input that works but is probably a mistake: silent audio, a window other than the trained one."""

    __module__ = "read_core"


def warn(message: str) -> None:
    """Issue a Python warning: the default of every ``on_warning``."""
    warnings.warn(message, ReadWarning, stacklevel=2)


def ignore(_message: str) -> None:
    """An ``on_warning`` that ignores the text."""


def once(on_warning: OnWarning) -> OnWarning:
    """Wrap an ``on_warning`` so that it gets each text only once."""
    said: set[str] = set()

    def pass_on(message: str) -> None:
        if message not in said:
            said.add(message)
            on_warning(message)

    return pass_on
