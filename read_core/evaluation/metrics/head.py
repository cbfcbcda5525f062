"""Head motion: shift of the head's upper half relative to the first frame, without landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ...detail.flow import warp
from ...face.alignment import FaceCrop, FaceLayout, cut_face, face_crop

if TYPE_CHECKING:
    from torch import Tensor

_SIZE = 48, 96  # size in pixels of the registered part
_PART = (0.5, 0.41, 0.7, 0.35)  # part of the aligned crop: center, width and height; without the mouth
_LEVELS, _ROUNDS = (4, 2, 1), 6
_NOISE = 0.02  # larger and unusual differences of brightness have little weight
_BATCH = 25


def head_track(frames: Tensor, points: Tensor) -> Tensor:
    """Position of the head relative to the first frame: (F, 2), x and y in eye distances.

    Args:
        frames: (F, H, W, 3), 0..1.
        points: (3, 2), both eyes and the mouth in the first frame, x and y in pixels.
    """
    crop = face_crop(points, (_SIZE[1], _SIZE[1]))
    x, y, width, height = _PART
    middle_x, middle_y = crop.to_original(points.new_tensor([x, y])).tolist()
    part = FaceCrop(middle_x, middle_y, width * crop.width, height * crop.height, crop.roll)
    first, found = None, []
    for start in range(0, len(frames), _BATCH):
        batch = [cut_face(frame, part, _SIZE).mean(-1) for frame in frames[start : start + _BATCH]]
        pictures = torch.stack(batch)[:, None]
        first = pictures[:1] if first is None else first
        found.append(-_shift(pictures, first.expand_as(pictures)))
    return torch.cat(found) * (width / _SIZE[1] / FaceLayout().eye_distance)


def head_motion(track: Tensor) -> float:
    """Root mean square distance of a track (F, 2) from its mean."""
    return float((track - track.mean(0)).square().sum(1).mean().sqrt())


def _shift(pictures: Tensor, first: Tensor) -> Tensor:
    """The shift (b, 2) in pixels with which ``first`` looks like each of ``pictures``, (b, 1, h, w) both.

    Gauss-Newton, coarse to fine, on absolute instead of squared differences, so blinks and gaze have little
    effect.
    """
    shift = pictures.new_zeros(len(pictures), 2)
    for level in _LEVELS:
        fixed, moving = (F.avg_pool2d(each, level) for each in (pictures, first))
        shift = shift / level
        gy, gx = torch.gradient(fixed, dim=(2, 3))
        slopes = torch.stack([gx, gy], dim=-1).flatten(1, 3)  # (b, h w, 2)
        for _ in range(_ROUNDS):
            flow = shift[:, :, None, None].expand(-1, -1, *fixed.shape[2:])
            difference = (fixed - warp(moving, flow)).flatten(1)
            weight = 1 / (difference.abs() + _NOISE)
            normal = torch.einsum("bnx,bny,bn->bxy", slopes, slopes, weight)
            wanted = torch.einsum("bnx,bn,bn->bx", slopes, difference, weight)
            shift = shift + torch.linalg.solve(normal + 1e-6 * torch.eye(2), wanted)
        shift = shift * level
    return shift
