"""Looks of a scan, kept on disk while it runs: after a kill, none of them is made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..media.files import temporary_beside
from .stretches import Look

LOOKS = "looks.jsonl"
"""The file: the checksum of the video in the first line, then a line for each look."""
See = Callable[[int, Callable[[], Look]], Look]
"""(frame, how to look at it) -> the look at that frame."""


def see_again(_index: int, make: Callable[[], Look]) -> Look:
    """Look at every frame; nothing is kept."""
    return make()


@contextmanager
def kept_looks(path: Path, sha256: str) -> Iterator[See]:
    """Take looks of an earlier scan of the same video from ``path``, and append new ones to it.

    Args:
        path: of the file; it is begun anew if it is not there or of another video.
        sha256: of the video.

    Raises:
        OSError: it cannot be written.
    """
    known = dict(_read(path, sha256))
    lines = [json.dumps(sha256) + "\n", *map(_line, known.values())]
    temporary = temporary_beside(path)
    try:
        temporary.write_text("".join(lines), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    with path.open("a", encoding="utf-8") as file:

        def see(index: int, make: Callable[[], Look]) -> Look:
            if index not in known:
                known[index] = make()
                file.write(_line(known[index]))
                file.flush()
            return known[index]

        yield see


def _line(look: Look) -> str:
    points = None if look.points is None else look.points.tolist()
    return json.dumps([look.index, points, look.reason]) + "\n"


def _read(path: Path, sha256: str) -> Iterator[tuple[int, Look]]:
    """The looks at that video, up to a line that a kill has cut."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if not lines or _parsed(lines[0]) != sha256:
        return
    for line in lines[1:]:
        if (values := _parsed(line)) is None:
            return
        index, points, reason = values
        yield index, Look(index, None if points is None else torch.tensor(points), reason)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
