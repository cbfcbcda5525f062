"""The patch around an eye: a small grid that turns and scales with the face."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..pictures import sampled

GRID = (64, 80)
"""Rows and columns of a patch."""
REACH = (0.384, 0.48)
"""Half height and half width of a patch, relative to the eye distance."""


def eye_axes(points: Tensor) -> tuple[Tensor, Tensor]:
    """Centers and axes of both patches.

    The first axis of a patch points from the nose outwards, so that both eyes look alike to the network; the
    second one points down the face.

    Args:
        points: (2 or more, 2) pixels; the left eye in the picture first, then the right one.

    Returns:
        Centers (2, 2), and axes (2, 2, 2): of each eye two vectors (x, y) to the patch's outer and lower
        edge.
    """
    across = points[1] - points[0]
    down = torch.stack([-across[1], across[0]])
    half_height, half_width = REACH
    axes = torch.stack(
        [torch.stack([side * half_width * across, half_height * down]) for side in (-1.0, 1.0)]
    )
    return points[:2], axes


def cut_patches(pictures: Tensor, centers: Tensor, axes: Tensor) -> Tensor:
    """Sample one patch from each picture.

    Args:
        pictures: (n, 3, H, W), 0..1; beyond the border its colors continue.
        centers: (n, 2), in pixels.
        axes: (n, 2, 2), see :func:`eye_axes`.

    Returns:
        (n, 3, *GRID).
    """
    spacing = float((2 * axes.norm(dim=-1) / axes.new_tensor(GRID[::-1])).min())
    factor = max(1, int(spacing))
    if factor > 1:  # without this, a large picture would be sampled too coarsely
        pictures = F.avg_pool2d(pictures, factor, ceil_mode=True, count_include_pad=False)
        centers, axes = centers / factor, axes / factor
    p, q = grid_steps(GRID, pictures.device)
    places = (
        centers[:, None, None] + p[..., None] * axes[:, None, None, 0] + q[..., None] * axes[:, None, None, 1]
    )
    size = places.new_tensor([pictures.shape[3], pictures.shape[2]])
    return sampled(pictures, places / size * 2 - 1)


def grid_steps(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Centers of a grid's cells along the width and the height, -1..1: (h, w) each."""
    rows, columns = ((torch.arange(n, device=device) + 0.5) * (2 / n) - 1 for n in size)
    return columns.expand(size), rows[:, None].expand(size)
