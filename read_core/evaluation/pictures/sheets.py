"""Contact sheets of the suite ``tiny``: faces as drawn, through the VAE and as generated, and mouths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...geometry import FPS
from .rows import COLUMNS, places, save_rows, spread

if TYPE_CHECKING:
    from torch import Tensor

    from ..material.samples import Sample

_FACE, _MOUTH = 128, 96  # pixels of a picture on the sheets
_AROUND = 0.7  # half the square's side relative to the mouth box's longer side

Faces = Sequence[tuple["Sample", "Tensor", "Tensor"]]
"""Samples with their frames (F, H, W, 3), 0..1, through the VAE and as generated."""


def save_faces(faces: Faces, path: Path) -> None:
    """Draw frames spread over each video: as drawn, through the VAE, and generated from its sound.

    Raises:
        MediaError: the file cannot be written.
    """
    rows, seconds = [], _seconds(faces)
    for sample, coded, made in faces:
        of = {f"{sample.name}, drawn": sample.frames, "through the VAE": coded, "generated": made}
        rows += [(label, spread(frames, COLUMNS)) for label, frames in of.items()]
    save_rows(rows, path, _FACE, seconds)


def save_mouths(faces: Faces, path: Path) -> None:
    """Draw the mouths of the same frames, as drawn and through the VAE.

    Raises:
        MediaError: the file cannot be written.
    """
    rows = []
    for sample, coded, _ in faces:
        for label, frames in ((f"{sample.name}, drawn", sample.frames), ("through the VAE", coded)):
            cut = [mouth_of(frames[i], sample.boxes[i]) for i in places(len(frames), COLUMNS)]
            rows.append((label, cut))
    save_rows(rows, path, _MOUTH, _seconds(faces))


def mouth_of(frame: Tensor, box: Tensor) -> Tensor:
    """A square around the center of the mouth's ``box``, moved into the picture if it extends beyond it.

    Args:
        frame: (H, W, 3).
        box: (4,), pixels x0, y0, x1, y1.

    Returns:
        (S, S, 3), with equal S for boxes of one size; S is at most the picture's side.
    """
    left, top, right, bottom = (float(edge) for edge in box)
    height, width = frame.shape[:2]
    side = min(2 * round(_AROUND * max(right - left, bottom - top)), height, width)
    x = min(max(round((left + right - side) / 2), 0), width - side)
    y = min(max(round((top + bottom - side) / 2), 0), height - side)
    return frame[y : y + side, x : x + side]


def _seconds(faces: Faces) -> list[str]:
    return [f"{place / FPS:.2f} s" for place in places(len(faces[0][1]), COLUMNS)]
