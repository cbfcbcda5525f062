"""What portraits of users are like and the corpus is not: other sizes, crops and light."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..checks import MAX_SIZE, MIN_SIZE
from ..geometry import PIXELS_PER_LATENT


def reframed(pixels: Tensor, zoom: float = 1.0, right: float = 0.0, down: float = 0.0) -> Tensor:
    """Another crop of the same scene; what lies beyond the picture repeats its border.

    Args:
        pixels: (F, H, W, 3) uint8.
        zoom: above 1 the face is larger.
        right, down: by which the face moves, as a share of the width and height.

    Returns:
        (F, H, W, 3) uint8.
    """
    matrix = torch.tensor([[1 / zoom, 0, -2 * right / zoom], [0, 1 / zoom, -2 * down / zoom]])
    pictures = pixels.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(matrix[None], [1, *pictures.shape[1:]], align_corners=False)
    moved = F.grid_sample(
        pictures, grid.expand(len(pixels), -1, -1, -1), padding_mode="border", align_corners=False
    )
    return moved.round().byte().permute(0, 2, 3, 1)


def resized(pixels: Tensor, ratio: float) -> Tensor:
    """The pictures (F, H, W, 3) uint8 with ``ratio`` times as many pixels along each side."""
    size = [max(32, round(side * ratio)) for side in pixels.shape[1:3]]
    pictures = F.interpolate(pixels.permute(0, 3, 1, 2).float(), size, mode="bicubic", antialias=True)
    return pictures.round().clamp(0, 255).byte().permute(0, 2, 3, 1)


def lit(pixels: Tensor, gains: tuple[float, float, float]) -> Tensor:
    """The pictures (F, H, W, 3) uint8 in other light: red, green and blue times ``gains``."""
    return (pixels.float() * torch.tensor(gains)).round().clamp(0, 255).byte()


def other_sizes(resolution: tuple[int, int], ratios: tuple[float, ...]) -> list[tuple[int, int]]:
    """Heights and widths that a VAE takes near ``ratios`` times the resolution, itself left out."""
    found = []
    for ratio in ratios:
        height, width = (
            min(max(round(side * ratio / PIXELS_PER_LATENT) * PIXELS_PER_LATENT, MIN_SIZE), MAX_SIZE)
            for side in resolution
        )
        if (height, width) != resolution:
            found.append((height, width))
    return list(dict.fromkeys(found))
