"""Portraits as users have them: other sizes and light, and crops within and beyond the corpus's framings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...corpus import framing
from ...geometry import PIXELS_PER_LATENT
from ...limits import SIZE


@dataclass(frozen=True)
class Crop:
    """Place of the face, see :func:`reframed`."""

    name: str
    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pixels (F, H, W, 3) uint8 in this framing, of the same shape."""
        return reframed(pixels, self.zoom, self.right, self.down)

    @property
    def beyond(self) -> bool:
        """Whether the crop is beyond the framings of a corpus, see ``read_core.corpus.framing``."""
        sides = (self.zoom, framing.ZOOM), (self.right, framing.RIGHT), (self.down, framing.DOWN)
        return not all(low <= value <= high for value, (low, high) in sides)


CROPS = (
    Crop("face to the left", right=-0.12),
    Crop("face below the middle", down=0.12),
    Crop("face smaller", zoom=0.75),
    Crop("face larger", zoom=1.25),
    Crop("face much smaller", zoom=0.6),
    Crop("face much larger", zoom=1.45),
    Crop("face far to the right", right=0.2),
)


def reframed(pixels: Tensor, zoom: float = 1.0, right: float = 0.0, down: float = 0.0) -> Tensor:
    """Another crop of the same scene; outside the picture its border is repeated.

    Args:
        pixels: (F, H, W, 3) uint8.
        zoom: above 1 the face is larger.
        right, down: shift of the face, as a share of the shorter side.

    Returns:
        (F, H, W, 3) uint8.
    """
    height, width = pixels.shape[1:3]
    side = 2 * min(height, width) / zoom
    matrix = torch.tensor([[1 / zoom, 0, -side * right / width], [0, 1 / zoom, -side * down / height]])
    pictures = pixels.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(matrix[None], [1, *pictures.shape[1:]], align_corners=False)
    moved = F.grid_sample(
        pictures, grid.expand(len(pixels), -1, -1, -1), padding_mode="border", align_corners=False
    )
    return moved.round().byte().permute(0, 2, 3, 1)


def resized(pixels: Tensor, ratio: float) -> Tensor:
    """Resize pictures (F, H, W, 3) uint8 by ``ratio`` along each side."""
    size = [max(32, round(side * ratio)) for side in pixels.shape[1:3]]
    pictures = F.interpolate(pixels.permute(0, 3, 1, 2).float(), size, mode="bicubic", antialias=True)
    return pictures.round().clamp(0, 255).byte().permute(0, 2, 3, 1)


def lit(pixels: Tensor, gains: tuple[float, float, float]) -> Tensor:
    """Multiply red, green and blue of pictures (F, H, W, 3) uint8 by ``gains``."""
    return (pixels.float() * torch.tensor(gains)).round().clamp(0, 255).byte()


def other_sizes(resolution: tuple[int, int], ratios: tuple[float, ...]) -> list[tuple[int, int]]:
    """Other heights and widths, accepted by the VAE, near ``ratios`` times the resolution."""
    found = []
    for ratio in ratios:
        height, width = (
            min(max(round(side * ratio / PIXELS_PER_LATENT) * PIXELS_PER_LATENT, SIZE.least), SIZE.largest)
            for side in resolution
        )
        if (height, width) != resolution:
            found.append((height, width))
    return list(dict.fromkeys(found))
