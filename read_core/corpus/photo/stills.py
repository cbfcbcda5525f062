"""Folders of still portraits: pictures, face points, and splits."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..speech.sentences import check_split
from .anatomy import INNER_LIPS, POINTS, eyes_and_mouth

INDEX, LANDMARKS, IMAGES = "index.json", "landmarks.npy", "images"
CLOSED_GAP = 0.10
"""A mouth with at most this distance of the inner lips, relative to the eye distance, counts as closed."""
WIDE_GAP = 0.30
"""At and above this distance it is wide open, or the tongue is out: it is not used."""


@dataclass(frozen=True)
class Still:
    """One portrait on disk.

    Attributes:
        path: path of the picture.
        landmarks: (478, 3) float32, x, y and depth in pixels.
        lip_gap: distance of the inner lips divided by that of the eyes.
    """

    path: Path
    landmarks: Tensor
    lip_gap: float

    @property
    def closed(self) -> bool:
        """Whether the lips approximately meet."""
        return self.lip_gap < CLOSED_GAP


@cache
def find_stills(folder: Path, split: str) -> tuple[Still, ...]:
    """The portraits of one split, in the order of the folder's index; read once.

    The folder holds ``index.json``, a list of objects with ``file`` and ``lip_gap``; ``landmarks.npy``,
    (N, 478, 3) in pixels, in the same order; and ``images/``. The last two digits of a file's number decide
    on its split: 00 to 07 test, 08 to 15 validation, the others training; an entry with ``split`` says so
    itself. Mouths that are wide open are left out.

    Raises:
        InputError: the folder has another form, or no portrait of the split.
    """
    check_split(split)
    try:
        index = json.loads((folder / INDEX).read_text())
        landmarks = np.load(folder / LANDMARKS)
        names = [(str(e["file"]), float(e["lip_gap"]), e.get("split")) for e in index]
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder}: not a folder of portraits ({type(error).__name__}: {error}); "
            f"expected {INDEX}, {LANDMARKS} and {IMAGES}/, or any pictures with --find"
        ) from error
    if landmarks.shape != (len(index), POINTS, 3):
        raise InputError(
            f"{folder / LANDMARKS} has shape {landmarks.shape}; expected ({len(index)}, {POINTS}, 3)"
        )
    points = torch.from_numpy(landmarks.astype(np.float32))
    stills = tuple(
        Still(folder / IMAGES / name, points[i], gap)
        for i, (name, gap, given) in enumerate(names)
        if (given or split_of(name)) == split and gap < WIDE_GAP
    )
    if not stills:
        raise InputError(f"{folder} holds no portrait of the split {split}")
    return stills


def lip_gap_of(mesh: Tensor) -> float:
    """Distance of the inner lips of a mesh (478, 2 or more) by that of the eyes."""
    left, right, _ = eyes_and_mouth(mesh)
    upper, lower = mesh[list(INNER_LIPS), :2]
    return float((lower - upper).norm() / (right - left).norm())


def split_of(name: str) -> str:
    """The split of a file, by the last two digits of its number (InputError without one)."""
    digits = re.findall(r"\d+", Path(name).stem)
    if not digits:
        raise InputError(f"{name}: a portrait's name needs a number, which decides on its split")
    last = int(digits[-1]) % 100
    return "test" if last < 8 else "validation" if last < 16 else "train"
