"""Flow and trust between the codec's picture of the portrait and a frame, and pictures at other sizes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from .flow import blur, estimate_flow, warp
from .trust import odd, trust

if TYPE_CHECKING:
    from torch import Tensor

ANALYSIS_SIDE = 256  # flow and trust are found on pictures halved until their shorter side is at most this
STILL = 0.013  # root mean square difference in place at which half of the flow is believed
STILL_BOX = 15 / 128  # side of the box it is measured in, of the picture's shorter side


def analyze(frame: Tensor, decoded: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
    """Flow (b, 2, a, c) in pixels and trust (b, 1, a, c), on a grid of ``analysis_size``."""
    size = analysis_size(*frame.shape[-2:])
    small_frame, small_decoded = (shrink(picture, size) for picture in (frame, decoded))
    flow = estimate_flow(*(picture.mean(1, keepdim=True) for picture in (small_frame, small_decoded)))
    in_place = (small_frame - small_decoded).square().mean(1, keepdim=True)
    in_place = blur(in_place, odd(STILL_BOX * min(size)))
    flow = flow * (in_place / (in_place + STILL**2))  # the codec's noise moves nothing
    if places is not None:
        places = warp(shrink(places, size).expand(len(flow), -1, -1, -1), flow)
    return flow, trust(small_frame, warp(small_decoded, flow), places)


def analysis_size(height: int, width: int) -> tuple[int, int]:
    """Height and width, halved until the shorter one is at most ``ANALYSIS_SIDE``."""
    while min(height, width) > ANALYSIS_SIDE:
        height, width = -(-height // 2), -(-width // 2)
    return height, width


def shrink(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(b, c, h, w) at ``size``, averaged over what a pixel covers."""
    return picture if tuple(picture.shape[-2:]) == size else F.interpolate(picture, size=size, mode="area")


def resize(picture: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """(b, c, h, w) at ``size``: cubic, and antialiased where it gets smaller."""
    if tuple(picture.shape[-2:]) == tuple(size):
        return picture
    rows, columns = (
        cubic_weights(old, new, picture.device) for old, new in zip(picture.shape[-2:], size, strict=True)
    )
    with torch.autocast(picture.device.type, enabled=False):  # half precision would show as bands
        resized: Tensor = rows @ picture @ columns.T
    return resized


@lru_cache(maxsize=16)
def cubic_weights(old: int, new: int, device: torch.device) -> Tensor:
    """(new, old): what ``F.interpolate`` does to one axis. Two products are several times as fast as it."""
    with torch.inference_mode(False):
        unit = torch.eye(old)[None, None]
        size = (new, old)
        weights = F.interpolate(unit, size=size, mode="bicubic", align_corners=False, antialias=new < old)
        return weights[0, 0].to(device)
