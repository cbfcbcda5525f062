"""Dense flow between two pictures of the same face: coarse-to-fine Lucas-Kanade with a smoothness prior.

Both pictures come from the same decoder, so their brightness agrees. A flow (b, 2, h, w), x first, in pixels
of its grid, gives the place of a frame's pixel in the portrait: portrait(x + flow(x)) looks like frame(x).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

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
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + 0.5
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)[None, :] + 0.5
    x = (flow[:, 0] + columns) * (2 / width) - 1
    y = (flow[:, 1] + rows) * (2 / height) - 1
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(picture, grid, mode=mode, padding_mode="border", align_corners=False)


def blur(picture: Tensor, side: int) -> Tensor:
    """Box average with an odd side; at the border over the existing pixels."""
    half = side // 2
    rows = F.avg_pool2d(picture, (side, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, half), count_include_pad=False)


def _refine(frame: Tensor, portrait: Tensor, flow: Tensor, rounds: int) -> Tensor:
    """Gauss-Newton on (frame - warp(portrait, flow))^2 + PRIOR |flow - its average|^2, window by window."""
    gx, gy = _gradients(frame)
    xx, xy, yy = torch.split(blur(torch.cat([gx * gx, gx * gy, gy * gy], dim=1), WINDOW), 1, dim=1)
    xx, yy = xx + PRIOR, yy + PRIOR
    scale = 1 / (xx * yy - xy * xy)
    xx, xy, yy = xx * scale, xy * scale, yy * scale
    for _ in range(rounds):
        difference = frame - warp(portrait, flow)
        wanted = blur(torch.cat([gx * difference, gy * difference], dim=1), WINDOW)
        wx, wy = torch.split(wanted + PRIOR * (blur(flow, SMOOTH) - flow), 1, dim=1)
        flow = flow + torch.cat([yy * wx - xy * wy, xx * wy - xy * wx], dim=1)
    return flow


def _gradients(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along x and y, the border repeated."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    gx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    gy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return gx, gy


def _half(picture: Tensor) -> Tensor:
    return F.avg_pool2d(picture, 2, 2, ceil_mode=True, count_include_pad=False)
