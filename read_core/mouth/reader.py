"""A very small network that finds a mouth in a picture and reads how far it is open, how wide and how round.

``measure.py`` measures with one such network. The decoder of the VAE is trained with another one.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..pictures import antialiased, sampled
from ..weights.bundled import load_bundled

SIDE = 128  # size in pixels of the picture's shorter side after resizing
COARSE = 64  # size in pixels of the picture in which the mouth is searched
CROP = 48  # size in pixels of SIDE of the crop in which it is read
SOFT = 1.5  # blur in pixels of SIDE; after it, drawn and decoded pictures look similar

_FLAT = 1e-3  # standard deviation of a picture without content


class MouthReader(nn.Module):
    """Finds a mouth and reads its shape; 41,000 parameters.

    The place is the mean of an attention map. The shape is read from a crop of fixed size around it. Both use
    colors relative to mean and spread of their input, so skin tone and light have little effect.
    """

    def __init__(self) -> None:
        super().__init__()
        self.search = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(16, 16, 3, padding=2, dilation=2),
            nn.SiLU(),
            nn.Conv2d(16, 1, 3, padding=1),
        )
        self.likely = nn.Parameter(torch.zeros(COARSE // 4, COARSE // 4))
        self.read = nn.Sequential(
            nn.Conv2d(3, 12, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(24, 24, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(24 * (CROP // 8) ** 2, 32),
            nn.SiLU(),
            nn.Linear(32, 3),
        )

    def find(self, pictures: Tensor) -> Tensor:
        """Mouth centers (B, 2), x and y in -1..1, in pictures (B, 3, SIDE, SIDE)."""
        small = F.avg_pool2d(pictures, SIDE // COARSE)
        attention = (self.search(relative(small))[:, 0] + self.likely).flatten(1).softmax(dim=1)
        count = COARSE // 4
        places = (torch.arange(count, device=pictures.device) + 0.5) * 2 / count - 1
        grid = attention.view(-1, count, count)
        return torch.stack([grid.sum(1) @ places, grid.sum(2) @ places], dim=1)

    def shape(self, pictures: Tensor, centers: Tensor) -> Tensor:
        """Open, width, round (B, 3), not clamped, around centers (B, 2) of pictures (B, 3, SIDE, SIDE)."""
        result: Tensor = self.read(relative(crop(pictures, centers)))
        return result


def load_reader(path: Path) -> MouthReader:
    """Load the network with weights written by ``fit.fit_mouth`` to ``path``, frozen."""
    return load_bundled(MouthReader(), path)


def square(frames: Tensor) -> Tensor:
    """The middle square of frames (B, H, W, 3) as pictures (B, 3, SIDE, SIDE), float32."""
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = frames[:, top : top + side, left : left + side].permute(0, 3, 1, 2).float()
    if side == SIDE:
        return middle
    return antialiased(middle, (SIDE, SIDE), "bilinear")


def crop(pictures: Tensor, centers: Tensor) -> Tensor:
    """CROP x CROP pixels around centers (B, 2), x and y in -1..1, of pictures (B, 3, SIDE, SIDE)."""
    steps = ((torch.arange(CROP, device=pictures.device) + 0.5) * 2 / CROP - 1) * CROP / SIDE
    x = (centers[:, :1] + steps)[:, None, :].expand(-1, CROP, -1)
    y = (centers[:, 1:] + steps)[:, :, None].expand(-1, -1, CROP)
    grid = torch.stack([x, y], dim=-1)
    return sampled(pictures, grid)


def gaussian_blur(pictures: Tensor, sigma: float) -> Tensor:
    """Blur (B, C, H, W) by a Gaussian of ``sigma`` pixels."""
    radius = math.ceil(3 * sigma)
    places = torch.arange(-radius, radius + 1, device=pictures.device)
    kernel = torch.exp(-0.5 * (places / sigma) ** 2)
    kernel = kernel / kernel.sum()
    channels = pictures.shape[1]
    padded = F.pad(pictures, (radius,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)


def relative(pictures: Tensor) -> Tensor:
    """Colors relative to the picture's mean color, in units of its spread."""
    centered = pictures - pictures.mean(dim=(2, 3), keepdim=True)
    spread = centered.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centered / spread.clamp(min=_FLAT)
