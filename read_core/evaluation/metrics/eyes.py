"""Contrast of open eyes: shows whether eyes fade."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import torch

from ...pictures import sampled

if TYPE_CHECKING:
    from torch import Tensor

FADED = 0.5  # of the portrait's contrast
LONGEST_BLINK = 12  # frames
_SHUT = 0.25  # lids, relative to their usual value
_REACH = 0.28, 0.17  # half the size of the box around an eye, relative to the eye distance
_GRID = 24, 40  # sample points of it, down and across


def eye_contrast(frames: Tensor, places: Tensor) -> Tensor:
    """Standard deviation of the brightness in a box around each eye, rotated with the face.

    Args:
        frames: (F, H, W, 3), 0..1.
        places: (F, 3, 2) centers of both eyes and the mouth, x and y in pixels; see ``face.FaceTracks``.

    Returns:
        (F, 2), the eye on the picture's left first.
    """
    height, width = frames.shape[1:3]
    bright = frames.float().mean(-1)[:, None]
    across = places[:, 1] - places[:, 0]
    down = torch.stack([-across[:, 1], across[:, 0]], dim=1)
    v, u = (reach * torch.linspace(-1, 1, n) for reach, n in zip(_REACH[::-1], _GRID, strict=True))
    found = []
    for eye in range(2):
        points = places[:, eye, None, None] + u[None, None, :, None] * across[:, None, None]
        points = points + v[None, :, None, None] * down[:, None, None]
        grid = points / points.new_tensor([width, height]) * 2 - 1
        box = sampled(bright, grid)
        found.append(box.flatten(1).std(dim=1))
    return torch.stack(found, dim=1)


def open_eyes(blink: Tensor) -> Tensor:
    """Frames with visible eyes, i.e. all except blinks: (F,) -> (F,) bool.

    Lids that seem shut for longer than a blink count as open, because a faded eye may look shut.
    """
    shut = (blink - blink.median() > _SHUT).tolist()
    kept: list[bool] = []
    for down, run in groupby(shut):
        length = len(list(run))
        kept += [not down or length > LONGEST_BLINK] * length
    return torch.tensor(kept, dtype=torch.bool)


def share_of_contrast(contrast: Tensor, portrait: Tensor, seen: Tensor) -> float:
    """Contrast of both eyes in the frames ``seen``, by the portrait's; NaN if there are none.

    The arguments are those of :func:`faded_frames`.
    """
    return float((contrast[seen] / portrait).mean())


def faded_frames(contrast: Tensor, portrait: Tensor, seen: Tensor) -> int:
    """Number of frames in ``seen`` (F,) with an eye below half of the portrait's contrast.

    Args:
        contrast: (F, 2), see :func:`eye_contrast`.
        portrait: (2,), contrast of the portrait.
        seen: (F,) bool, see :func:`open_eyes`.
    """
    return int(((contrast < FADED * portrait).any(dim=1) & seen).sum())
