"""How much a head moves, from the flow of its upper half against the first frame: no landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..detail.flow import estimate_flow
from ..face.alignment import FaceLayout, cut_face, face_crop

if TYPE_CHECKING:
    from torch import Tensor

_SIDE = 96  # pixels of the aligned crop
_BATCH = 25
_UPPER = (0.3, 0.3, 0.7, 0.54)  # of the crop: left, top, right, bottom of brows, eyes and nose


def head_track(frames: Tensor, points: Tensor) -> Tensor:
    """Where the head is relative to the first frame: (F, 2), x and y by the eye distance.

    Args:
        frames: (F, H, W, 3), 0..1.
        points: (3, 2) of both eyes and the mouth in the first frame, x and y in pixels.
    """
    crop = face_crop(points, (_SIDE, _SIDE))
    left, top, right, bottom = (round(edge * _SIDE) for edge in _UPPER)
    first, found = None, []
    for start in range(0, len(frames), _BATCH):
        part = frames[start : start + _BATCH]
        pictures = torch.stack([cut_face(frame, crop, (_SIDE, _SIDE)).mean(-1) for frame in part])[:, None]
        first = pictures[:1] if first is None else first
        flow = estimate_flow(pictures, first.expand_as(pictures))
        # The flow leads from a frame back to the first one; its median leaves blinks and gaze out.
        found.append(-flow[:, :, top:bottom, left:right].flatten(2).median(dim=2).values)
    return torch.cat(found) / (FaceLayout().eye_distance * _SIDE)


def head_motion(track: Tensor) -> float:
    """Root mean square distance of a track (F, 2) from its mean place."""
    return float((track - track.mean(0)).square().sum(1).mean().sqrt())
