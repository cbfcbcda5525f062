"""The errors a user can cause. Each message says what was found, what was expected and what to do.

They give the package as their module: hosts show that name in front of the message, and a long path hides the
sentence.

What works but probably is not meant is a warning. A function that may warn takes ``on_warning`` and calls it
with the text; the default makes a ``ReadWarning`` of Python's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

OnWarning = Callable[[str], None]


class ReadError(ValueError):
    """Base of every error that bad input causes; the command line shows its text alone and exits with 2."""

    __module__ = "read_core"


class MediaError(ReadError):
    """A file that cannot be read as an image, audio or video, or an output that cannot be written."""

    __module__ = "read_core"


class InputError(ReadError):
    """A value out of range: a window, a number of steps, a scale, a size, an empty or non-finite tensor."""

    __module__ = "read_core"


class CheckpointError(ReadError):
    """A checkpoint folder that is missing, incomplete, foreign or unsafe."""

    __module__ = "read_core"


class ReadWarning(UserWarning):
    """Something that works but probably is not meant: silent audio, a window other than the trained one."""

    __module__ = "read_core"


def warn(message: str) -> None:
    """Warn in Python's way: the default of every ``on_warning``."""
    warnings.warn(message, ReadWarning, stacklevel=2)


def ignore(_message: str) -> None:
    """An ``on_warning`` that says nothing."""


def once(on_warning: OnWarning) -> OnWarning:
    """An ``on_warning`` that passes each text on once, though it comes several times."""
    said: set[str] = set()

    def pass_on(message: str) -> None:
        if message not in said:
            said.add(message)
            on_warning(message)

    return pass_on
