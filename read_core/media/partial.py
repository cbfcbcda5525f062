"""The file of a video under way: visible from the start, locked while its writer lives, never replaced."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path
from typing import IO

from ..errors import MediaError, OnWarning, warn
from .files import partial_beside, write_error

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCKED_BYTE = 2**31 - 2  # Windows locks bytes, not files: one that players hardly read


class PartialFile:
    """``<stem>.partial.mp4`` beside a target, created by this process alone.

    The system drops the lock with the process, whatever ends it: an unlocked partial file is what a dead
    writer left. It is kept and named in a warning, and the new one is numbered.

    Args:
        target: the finished file's name.
        on_warning: called with the warning.

    Attributes:
        path: where it is.
        file: to write to.

    Raises:
        MediaError: it cannot be created, or another process is writing the same target.
    """

    def __init__(self, target: Path, on_warning: OnWarning = warn) -> None:
        left = check_unclaimed(target)
        names = ", ".join(str(path) for path in left if path.stat().st_size)
        if names:
            on_warning(f"{names}: left by a run that ended early; what it had finished plays and is kept")
        for number in count(len(left) + 1):
            self.path = partial_beside(target, number)
            try:
                self.file: IO[bytes] = self.path.open("xb")
                break
            except FileExistsError:
                continue
            except OSError as error:
                raise write_error(target, error) from error
        if not _lock(self.file):  # another process looks whether this file is alive, and takes it for dead
            self.remove()
            raise _claimed(target, self.path)

    def close(self) -> None:
        """Let go of the file and its lock; it stays."""
        self.file.close()

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def check_unclaimed(target: Path) -> list[Path]:
    """The partial files that dead writers of ``target`` left.

    Raises:
        MediaError: another process is writing ``target``.
    """
    left: list[Path] = []
    for number in count(1):
        path = partial_beside(target, number)
        if not os.access(path, os.F_OK):
            return left
        if _is_locked(path):
            raise _claimed(target, path)
        left.append(path)
    raise AssertionError  # the counting never ends


def publish(finished: Path, target: Path, overwrite: bool) -> None:
    """Give a finished file its name at once.

    Args:
        overwrite: replace a file of that name.

    Raises:
        FileExistsError: there is one, and it may not be replaced.
    """
    if overwrite:
        finished.replace(target)
    elif sys.platform == "win32":
        finished.rename(target)  # refuses by itself
    else:
        try:
            os.link(finished, target)  # unlike a rename, never replaces
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            target.open("x").close()
            finished.replace(target)
        else:
            finished.unlink()


def _claimed(target: Path, partial: Path) -> MediaError:
    return MediaError(
        f"{target} is being written by another process, so far into {partial.name}; "
        "wait for it or choose another name"
    )


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb+") as file:
            return not _lock(file)
    except OSError:  # not ours to open: neither to write
        return False


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; False: somebody else has."""
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
    except OSError:  # a file system without locks
        return True
    return True
