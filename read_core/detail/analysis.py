"""Flow and trust between the codec's picture of the portrait and a frame; resizing."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from .flow import blur, estimate_flow, warp
from .trust import odd, trust

if TYPE_CHECKING:
    from torch import Tensor

ANALYSIS_SIDE = (
    256  # pictures are halved until their shorter side is at most this, before flow and trust are computed
)
STILL = 0.013  # root mean square difference at which half of the flow is used
STILL_BOX = 15 / 128  # side of the box for that difference, relative to the picture's shorter side


def analyze(frame: Tensor, decoded: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
    """Flow (b, 2, a, c) in pixels and trust (b, 1, a, c), on a grid of ``analysis_size``."""
    size = analysis_size(*frame.shape[-2:])
    small_frame, small_decoded = (shrink(picture, size) for picture in (frame, decoded))
    flow = estimate_flow(*(picture.mean(1, keepdim=True) for picture in (small_frame, small_decoded)))
    in_place = (small_frame - small_decoded).square().mean(1, keepdim=True)
    in_place = blur(in_place, odd(STILL_BOX * min(size)))
    flow = flow * (in_place / (in_place + STILL**2))  # the codec's noise is not motion
    if places is not None:
        places = warp(shrink(places, size).expand(len(flow), -1, -1, -1), flow)
    return flow, trust(small_frame, warp(small_decoded, flow), places)


def analysis_size(height: int, width: int) -> tuple[int, int]:
    """Height and width, halved until the shorter one is at most ``ANALYSIS_SIDE``."""
    while min(height, width) > ANALYSIS_SIDE:
        height, width = -(-height // 2), -(-width // 2)
    return height, width


def shrink(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink (b, c, h, w) to ``size`` by area averaging."""
    return picture if tuple(picture.shape[-2:]) == size else F.interpolate(picture, size=size, mode="area")


def resize(picture: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Resize (b, c, h, w) to ``size``: cubic, antialiased when shrinking."""
    if tuple(picture.shape[-2:]) == tuple(size):
        return picture
    rows, columns = (
        cubic_weights(old, new, picture.device) for old, new in zip(picture.shape[-2:], size, strict=True)
    )
    with torch.autocast(picture.device.type, enabled=False):  # half precision would give visible bands
        resized: Tensor = rows @ picture @ columns.T
    return resized


@lru_cache(maxsize=16)
def cubic_weights(old: int, new: int, device: torch.device) -> Tensor:
    """(new, old): matrix that resizes one axis like ``F.interpolate``, which is slower."""
    with torch.inference_mode(False):
        unit = torch.eye(old)[None, None]
        size = (new, old)
        weights = F.interpolate(unit, size=size, mode="bicubic", align_corners=False, antialias=new < old)
        return weights[0, 0].to(device)
