"""Other faces in the scene of a video, for comparison with its face.

Background, clothes, light and framing are those of the video, and only a box around the head is compared. So
the pictures differ only in the face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ...errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from ...corpus.drawing.presenter import Presenter
    from .samples import Sample

FIRST_SEED = 10_000  # above the seeds of all measured videos
_GRID = 32
_BOX = (-0.36, -0.45, 0.36, 0.42)  # left, top, right, bottom of the head relative to its center, head units
_SCENE = (
    "head_scale", "head_x", "head_y", "light_x", "light", "clothes", "clothes_accent", "collar",
    "shoulder_y", "background", "background_colors", "background_seed",
)  # fmt: skip
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Gallery:
    """Other faces to compare with a sample's face.

    Attributes:
        box: pixels x0, y0, x1, y1 around the head.
        faces: (G, 3, 32, 32) colors of the other faces in that box, 0..1.
    """

    box: Box
    faces: Tensor


def draw_gallery(sample: Sample, count: int) -> Gallery:
    """Draw ``count`` faces of the test split, with shut mouths, in the scene of ``sample``.

    Raises:
        InputError: ``count`` is less than 1.
    """
    from ...corpus.drawing.render import render
    from ...corpus.motion import neutral_motion

    if count < 1:
        raise InputError(f"a gallery of {count} faces; expected 1 or more")
    height, width = sample.pixels.shape[1:3]
    box = head_box(sample.presenter, height, width)
    still, shut = neutral_motion(1), torch.zeros(1, 3)
    pictures = (render(face, still, shut, (height, width)) for face in others(sample.presenter, count))
    return Gallery(box, torch.cat([face_colors(picture, box) for picture in pictures]))


def others(own: Presenter, count: int) -> list[Presenter]:
    """``count`` faces that are in no video, in the scene of ``own``."""
    from ...corpus.drawing.presenter import sample_presenter

    scene = {name: getattr(own, name) for name in _SCENE}
    return [replace(sample_presenter(FIRST_SEED + index, "test"), **scene) for index in range(count)]


def head_box(presenter: Presenter, height: int, width: int) -> Box:
    """Pixels x0, y0, x1, y1 of the head in the first frame, clipped to the picture."""
    unit = min(height, width)
    x, y = width / 2 + unit * presenter.head_x, height / 2 + unit * presenter.head_y
    left, top, right, bottom = (round(unit * presenter.head_scale * edge) for edge in _BOX)
    return (
        max(round(x) + left, 0),
        max(round(y) + top, 0),
        min(round(x) + right, width),
        min(round(y) + bottom, height),
    )


def face_colors(frames: Tensor, box: Box) -> Tensor:
    """Mean colors of a grid over the ``box`` of frames (F, H, W, 3): (F, 3, 32, 32)."""
    left, top, right, bottom = box
    return F.adaptive_avg_pool2d(frames[:, top:bottom, left:right].permute(0, 3, 1, 2), _GRID)
