"""File locks: of several processes only one does a piece of work. The end of a process frees its locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..media.partial import lock_file


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Lock the file ``path``, created if needed; yield False if another process holds the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        yield lock_file(file)
