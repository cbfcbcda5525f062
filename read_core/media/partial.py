"""The partial file of a video: visible from the start, locked while its writer runs, never replaced."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO

from ..errors import MediaError, OnWarning, warn
from .files import partial_beside, write_error

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TRIES, _PAUSE = 20, 0.05  # times and seconds
_LOCKED_BYTE = 2**31 - 2  # Windows locks bytes, not files: lock a byte that players hardly read


class PartialFile:
    """``<stem>.partial.mp4`` in the target's folder, created by this process.

    The system releases the lock when the process ends in any way. So an unlocked partial file was left by a
    dead writer. It is kept, a warning names it, and the new file gets a number.

    Args:
        target: the finished file's name.
        on_warning: called with the warning.

    Attributes:
        path: path of the partial file.
        file: the open file.

    Raises:
        MediaError: the file cannot be created, or another process is writing the same target.
    """

    def __init__(self, target: Path, on_warning: OnWarning = warn) -> None:
        left = check_unclaimed(target)
        names = ", ".join(str(path) for path in left if path.stat().st_size)
        if names:
            on_warning(
                f"{names}: left by a run that ended early; kept, since the finished part can be played"
            )
        for number in count(len(left) + 1):
            self.path = partial_beside(target, number)
            try:
                self.file: IO[bytes] = self.path.open("xb")
                break
            except FileExistsError:
                continue
            except OSError as error:
                raise write_error(target, error) from error
        if not lock_file(
            self.file
        ):  # another process may check this file just now and think that its writer is dead
            self.remove()
            raise _claimed_error(target, self.path)

    def close(self) -> None:
        """Close the file and release its lock; the file stays."""
        self.file.close()

    def remove(self) -> None:
        """Let go of the file and delete it, if that is allowed."""
        self.close()
        with suppress(PermissionError):  # the finished video is there: do not fail because of this file
            patiently(lambda: self.path.unlink(missing_ok=True))


def check_unclaimed(target: Path) -> list[Path]:
    """The partial files left by dead writers of ``target``.

    Raises:
        MediaError: another process is writing ``target``.
    """
    left: list[Path] = []
    for number in count(1):
        path = partial_beside(target, number)
        if not os.access(path, os.F_OK):
            return left
        if _is_locked(path):
            raise _claimed_error(target, path)
        left.append(path)
    raise AssertionError  # the loop never ends


def publish(finished: Path, target: Path, overwrite: bool) -> None:
    """Give a finished file its final name, atomically.

    Args:
        overwrite: replace an existing file.

    Raises:
        FileExistsError: the file exists and may not be replaced.
    """
    if overwrite:
        finished.replace(target)
    elif sys.platform == "win32":
        finished.rename(target)  # fails if the file exists
    else:
        try:
            os.link(finished, target)  # unlike a rename, never replaces
        except FileExistsError:
            raise
        except OSError:  # the file system has no links
            target.open("x").close()
            finished.replace(target)
        else:
            finished.unlink()


def patiently(act: Callable[[], object]) -> None:
    """Call ``act``; on Windows again for a second, while somebody else, such as a page, reads the file.

    Raises:
        PermissionError: it stays forbidden.
    """
    for _ in range(_TRIES if sys.platform == "win32" else 0):
        try:
            act()
        except PermissionError:
            time.sleep(_PAUSE)
        else:
            return
    act()


def _claimed_error(target: Path, partial: Path) -> MediaError:
    return MediaError(
        f"{target} is being written by another process (as {partial.name}); wait for it or choose another "
        "name"
    )


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb+") as file:
            return not lock_file(file)
    except OSError:  # we may not open it, so we cannot write it either
        return False


def lock_file(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; False: another process has locked it."""
    try:
        if sys.platform == "win32":
            position = file.tell()
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(position)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # the file system has no locks
        return True
    return True
