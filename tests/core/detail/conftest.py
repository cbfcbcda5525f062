"""A textured stand-in for a face and a crude codec, so that nothing need be trained."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F


def textured(height: int, width: int, grain: int, seed: int) -> torch.Tensor:
    """(1, 3, height, width) in 0..1: random spots about ``grain`` pixels large."""
    coarse = torch.rand(
        1, 3, height // grain + 2, width // grain + 2, generator=torch.Generator().manual_seed(seed)
    )
    return F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)


def codec(picture: torch.Tensor) -> torch.Tensor:
    """Lose fine detail and half the pixels, as a codec would: (1, 3, H, W) -> (1, 3, H / 2, W / 2)."""
    return F.avg_pool2d(F.avg_pool2d(picture, 5, 1, 2, count_include_pad=False), 2)


def shifted(picture: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """The picture moved right by ``x`` and down by ``y`` pixels, its border repeated."""
    height, width = picture.shape[-2:]
    theta = torch.tensor([[[1, 0, -2 * x / width], [0, 1, -2 * y / height]]])
    grid = F.affine_grid(theta, [1, 3, height, width], align_corners=False)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)


def frame_of(picture: torch.Tensor) -> torch.Tensor:
    """(1, 3, h, w) -> (h, w, 3)."""
    return picture[0].permute(1, 2, 0).contiguous()


@pytest.fixture(scope="session")
def portrait():
    """(1, 3, 128, 192): coarse shapes and fine grain; leave it as it is."""
    return (0.7 * textured(128, 192, 24, 0) + 0.3 * textured(128, 192, 3, 1)).clamp(0, 1)
