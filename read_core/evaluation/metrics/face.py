"""Measure on pixels the mouth and eyelids of the face in a video, photographed or drawn.

The face is found, aligned and read by a very small network. It was trained on talking photographs and drawn
presenters of the training split (``scripts/fit_face.py``). It uses only pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import torch

from ...errors import InputError
from ...face.alignment import cut_face, face_crop
from ...mouth.face_reader import VALUES, WEIGHTS, FaceReader, load_face_reader, point_places
from ...mouth.measure import check_frames
from ...mouth.reader import SIDE
from .head import head_track

if TYPE_CHECKING:
    from torch import Tensor

    from ...face.finder import Faces

BLINK = 0.5
"""How far the lids fall in a blink, relative to their usual value."""

_BATCH = 32  # frames read at a time
_OPENED = 0.25  # below this, relative to the usual value, a blink is over


@dataclass(frozen=True)
class FaceTracks:
    """Mouth, eyelids and place of a face in F frames.

    Attributes:
        mouth: (F, 3) open 0..2, width -1..1 and round 0..1. Open is the distance of the lips: 1 means
            0.37 of the eye distance.
        lids: (F, 2) how far the lids of the eye on the picture's left and of the other eye are shut, 0..1.
        places: (F, 3, 2) centers of the eye on the picture's left, the other eye and the mouth, x and y in
            pixels.
    """

    mouth: Tensor
    lids: Tensor
    places: Tensor

    @property
    def blink(self) -> Tensor:
        """(F,) how far both lids are shut, 0..1."""
        return self.lids.mean(1)

    def blinks(self) -> int:
        """Number of times both lids close."""
        return count_blinks(self.blink)


def read_face(frames: Tensor, find: Callable[[Tensor], Faces] | None = None) -> FaceTracks | None:
    """Read the largest face of a video; None if no face is found.

    Args:
        frames: (F, H, W, 3) float 0..1.
        find: function that finds faces in a picture (H, W, 3); default: the bundled finder.

    Raises:
        InputError: frames of another shape or type, or smaller than 32 pixels.
    """
    check_frames(frames)
    if find is None:
        from ...face.finder import find_faces

        find = find_faces
    points = follow_points(frames, find)
    return None if points is None else read_points(frames, points)


def read_placed(frames: Tensor, points: Tensor) -> FaceTracks:
    """Read a face at a known place, for example an aligned one, without searching it.

    Args:
        frames: (F, H, W, 3) float 0..1.
        points: (3, 2), both eyes and the mouth in the first frame, x and y in pixels. The head is tracked
            from there, see ``head.head_track``.

    Raises:
        InputError: frames of another shape or type, or smaller than 32 pixels.
    """
    check_frames(frames)
    distance = (points[1] - points[0]).norm()
    return read_points(frames, points + distance * head_track(frames, points)[:, None])


def count_blinks(blink: Tensor) -> int:
    """Count blinks in (F,) tracks of lids: they fall and rise again, relative to their usual value."""
    count, shut = 0, False
    usual = blink.median() if len(blink) else 0.0
    for value in (blink - usual).tolist():
        if not shut and value > BLINK:
            count, shut = count + 1, True
        elif value < _OPENED:
            shut = False
    return count


def follow_points(frames: Iterable[Tensor], find: Callable[[Tensor], Faces]) -> Tensor | None:
    """Eyes and mouth of one face in every frame, the largest at first and then the nearest to the last one.

    Args:
        frames: F pictures (H, W, 3), 0..1.
        find: finds the faces of a picture.

    Returns:
        (F, 3, 2) x and y in pixels; where no face is found, those of the nearest frame before or after. None:
        no frame shows a face.
    """
    points: list[Tensor | None] = []
    last: Tensor | None = None
    for frame in frames:
        found = find(frame.float()).points
        if len(found):
            last = found[0 if last is None else int((found - last).square().sum((1, 2)).argmin())]
        points.append(last)
    first = next((three for three in points if three is not None), None)
    return None if first is None else torch.stack([first if three is None else three for three in points])


def aligned_crops(frames: Iterable[Tensor], points: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The face upright in the middle, as the reader sees it, and where its points are in it.

    Args:
        frames: F pictures (H, W, 3), 0..1.
        points: (F, 3, 2) of :func:`follow_points`.

    Yields:
        (128, 128, 3), 0..1, and (3, 2) as fractions of the crop, once for each frame.
    """
    for frame, three in zip(frames, points, strict=True):
        crop = face_crop(three, (SIDE, SIDE))
        yield cut_face(frame.float().cpu(), crop, (SIDE, SIDE)), crop.to_crop(three)


def read_points(frames: Iterable[Tensor], points: Tensor) -> FaceTracks:
    """Read each of F frames (H, W, 3), 0..1, at its points (F, 3, 2)."""
    return read_crops(aligned_crops(frames, points), points)


@torch.no_grad()
def read_crops(crops: Iterable[tuple[Tensor, Tensor]], points: Tensor) -> FaceTracks:
    """Read the crops of :func:`aligned_crops`, a few at a time."""
    reader = _reader()
    found = [torch.empty(0, VALUES)]
    left = iter(crops)
    while few := list(islice(left, _BATCH)):
        pictures = torch.stack([picture for picture, _ in few])
        places = torch.stack([point_places(place) * 2 - 1 for _, place in few])
        found.append(reader.read(pictures.permute(0, 3, 1, 2), places))
    values = torch.cat(found)
    lowest, highest = values.new_tensor([0.0, -1.0, 0.0]), values.new_tensor([2.0, 1.0, 1.0])
    return FaceTracks(values[:, :3].clamp(lowest, highest), values[:, 3:].clamp(0, 1), points)


@lru_cache(maxsize=1)
def _reader() -> FaceReader:
    if not WEIGHTS.is_file():
        raise InputError(
            f"{WEIGHTS} is missing; install the package again, or make the file: python scripts/fit_face.py"
        )
    return load_face_reader(WEIGHTS)
