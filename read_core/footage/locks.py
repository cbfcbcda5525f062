"""Claims on work that several processes may do: one has it, and its end, however it comes, frees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..media.partial import lock_file


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Lock the file ``path``, made where needed; yields whether nobody else has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        yield lock_file(file)
