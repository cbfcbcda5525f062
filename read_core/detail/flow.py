"""Dense flow between two pictures of the same face: coarse-to-fine Lucas-Kanade with a smoothness prior.

Both pictures come from the same decoder, so their brightness agrees. A flow (b, 2, h, w), x first, in pixels
of its grid, gives the place of a frame's pixel in the portrait: portrait(x + flow(x)) looks like frame(x).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ..pictures import sampled

if TYPE_CHECKING:
    from torch import Tensor

COARSEST = 16  # pictures with a side below twice this are not halved again
ROUNDS = (1, 3, 6)  # per level, the finest first; the last serves all coarser ones
WINDOW = 5  # side of the box of pixels that share one displacement
SMOOTH = 9  # side of the box for the average flow, which flat places adopt
PRIOR = 3e-3  # weight of that average, against squared gradients of pictures in 0..1


def estimate_flow(frame: Tensor, portrait: Tensor) -> Tensor:
    """Flow from ``frame`` to ``portrait``: (b, 1, h, w) in 0..1 twice -> (b, 2, h, w)."""
    pairs = [(frame, portrait)]
    while min(pairs[-1][0].shape[-2:]) >= 2 * COARSEST:
        pairs.append((_half(pairs[-1][0]), _half(pairs[-1][1])))
    flow = frame.new_zeros(len(frame), 2, *pairs[-1][0].shape[-2:])
    for level in range(len(pairs) - 1, -1, -1):
        fixed, moving = pairs[level]
        flow = resize_flow(flow, fixed.shape[-2:])
        flow = _refine(fixed, moving, flow, ROUNDS[min(level, len(ROUNDS) - 1)])
    return flow


def resize_flow(flow: Tensor, size: Sequence[int]) -> Tensor:
    """The same flow (b, 2, h, w) on a grid of ``size`` (height, width), in that grid's pixels."""
    height, width = flow.shape[-2:]
    if (height, width) == tuple(size):
        return flow
    resized = F.interpolate(flow, size=tuple(size), mode="bilinear", align_corners=False)
    return resized * flow.new_tensor([size[1] / width, size[0] / height])[:, None, None]


def warp(picture: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """``picture`` (b, c, h, w) sampled at x + ``flow`` (b, 2, h, w); outside, the border is repeated."""
    height, width = flow.shape[-2:]
    places, unit = _base_grid(height, width, flow.device)
    grid = torch.addcmul(places, flow.permute(0, 2, 3, 1), unit)
    return sampled(picture, grid, mode)


def blur(picture: Tensor, side: int) -> Tensor:
    """Box average with an odd side; at the border over the existing pixels."""
    rows, columns = (_box(size, side, picture.device) for size in picture.shape[-2:])
    with torch.autocast(picture.device.type, enabled=False):
        average: Tensor = rows @ picture.float() @ columns.T
    return average


@lru_cache(maxsize=16)
def _base_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Places of pixels (1, h, w, 2) for ``grid_sample``, x first, and the length of a pixel (2,) there."""
    with torch.inference_mode(False):
        y, x = ((torch.arange(size, device=device) + 0.5) * (2 / size) - 1 for size in (height, width))
        places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
        return places, places.new_tensor([2 / width, 2 / height])


@lru_cache(maxsize=64)
def _box(size: int, side: int, device: torch.device) -> Tensor:
    """(size, size): matrix whose product with one axis is its box average; faster than pooling."""
    with torch.inference_mode(False):
        places = torch.arange(size, device=device)
        within = ((places[:, None] - places).abs() <= side // 2).float()
        return within / within.sum(1, keepdim=True)


def _refine(frame: Tensor, portrait: Tensor, flow: Tensor, rounds: int) -> Tensor:
    """Gauss-Newton on (frame - warp(portrait, flow))^2 + PRIOR |flow - its average|^2, window by window."""
    gradient = _gradients(frame)
    gx, gy = torch.split(gradient, 1, dim=1)
    squares, xy = torch.split(blur(torch.cat([gy * gy, gx * gx, gx * gy], dim=1), WINDOW), [2, 1], dim=1)
    squares = squares + PRIOR
    scale = 1 / (squares[:, :1] * squares[:, 1:] - xy * xy)
    squares, xy = squares * scale, xy * scale  # the inverse of [[xx, xy], [xy, yy]]: (yy, xx) and -xy
    for _ in range(rounds):
        wanted = blur(gradient * (frame - warp(portrait, flow)), WINDOW)
        wanted = torch.add(wanted, blur(flow, SMOOTH) - flow, alpha=PRIOR)
        flow = torch.addcmul(flow, squares, wanted)
        flow = torch.addcmul(flow, xy, wanted.flip(1), value=-1)
    return flow


def _gradients(picture: Tensor) -> Tensor:
    """Central differences along x and y, the border repeated: (b, 1, h, w) -> (b, 2, h, w)."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    gx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    gy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.cat([gx, gy], dim=1)


def _half(picture: Tensor) -> Tensor:
    return F.avg_pool2d(picture, 2, 2, ceil_mode=True, count_include_pad=False)
