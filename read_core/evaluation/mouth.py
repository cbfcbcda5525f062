"""How far a mouth is open, how wide and how rounded, measured on pixels alone.

A very small network looks for the mouth in each frame by itself and reads its shape from a crop around it.
It has learned from drawn presenters of the training split, blurred, noisy and recoloured
(``scripts/fit_mouth.py``), and knows nothing of how a video was made. Frames are measured one by
one, so a video may come in pieces. It reads faces that fill the picture as the corpus draws them, and no
photographs.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError

SIDE = 128  # pixels to which the shorter side of the picture is brought
COARSE = 64  # pixels in which the mouth is looked for
CROP = 48  # pixels of the crop in which it is read, out of SIDE
WEIGHTS = Path(__file__).with_name("mouth.safetensors")

_BATCH = 32
_LOWEST = (0.0, -1.0, 0.0)
_SOFT = 1.5  # blur, in pixels of SIDE, after which drawn and decoded pictures look much alike
_FLAT = 1e-3  # standard deviation of a picture without content


class MouthReader(nn.Module):
    """Finds a mouth and reads its shape; 41,000 parameters.

    The place is the mean of a map of attention, the shape comes from a crop of fixed size around it. Both
    see colours relative to mean and spread of what they look at, so skin tone and light matter little.
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
        """Mouth centres (B, 2), x and y in -1..1, in pictures (B, 3, SIDE, SIDE)."""
        small = F.avg_pool2d(pictures, SIDE // COARSE)
        attention = (self.search(_relative(small))[:, 0] + self.likely).flatten(1).softmax(dim=1)
        count = COARSE // 4
        places = (torch.arange(count, device=pictures.device) + 0.5) * 2 / count - 1
        grid = attention.view(-1, count, count)
        return torch.stack([grid.sum(1) @ places, grid.sum(2) @ places], dim=1)

    def shape(self, pictures: Tensor, centres: Tensor) -> Tensor:
        """Open, width, round (B, 3), not clamped, around centres (B, 2) of pictures (B, 3, SIDE, SIDE)."""
        result: Tensor = self.read(_relative(crop(pictures, centres)))
        return result


def mouth_opening(frames: Tensor) -> Tensor:
    """How far the mouth is open in each frame: (F, H, W, 3) float 0..1 -> (F,) float32, 0..1.

    Raises:
        InputError: frames of another shape or type, or smaller than 32 pixels.
    """
    return mouth_shape(frames)[:, 0]


def mouth_shape(frames: Tensor) -> Tensor:
    """Estimates of open 0..1, width -1..1 and round 0..1: (F, H, W, 3) float 0..1 -> (F, 3) float32.

    Raises:
        InputError: frames of another shape or type, or smaller than 32 pixels.
    """
    return _measure(frames)[0]


def find_mouth(frames: Tensor) -> Tensor:
    """Where the mouth is: (F, H, W, 3) float 0..1 -> (F, 2) float32, x and y in pixels.

    Raises:
        InputError: frames of another shape or type, or smaller than 32 pixels.
    """
    return _measure(frames)[1]


@torch.no_grad()
def _measure(frames: Tensor) -> tuple[Tensor, Tensor]:
    if frames.ndim != 4 or frames.shape[-1] != 3 or not frames.is_floating_point():
        raise InputError(
            f"frames have shape {tuple(frames.shape)} and type {frames.dtype}; "
            "expected (F, H, W, 3), floating point"
        )
    height, width = frames.shape[1:3]
    if min(height, width) < 32:
        raise InputError(f"frames are {width} x {height} pixels; a mouth needs 32 x 32 at least")
    reader = _reader()
    shapes, places = [torch.empty(0, 3)], [torch.empty(0, 2)]
    for start in range(0, len(frames), _BATCH):
        pictures = gaussian_blur(square(frames[start : start + _BATCH]), _SOFT)
        centres = reader.find(pictures)
        shapes.append(reader.shape(pictures, centres))
        places.append(centres)
    middle = torch.tensor([width, height]) / 2
    shape = torch.cat(shapes).clamp(torch.tensor(_LOWEST), torch.ones(3))
    return shape, torch.cat(places) * min(height, width) / 2 + middle


def square(frames: Tensor) -> Tensor:
    """The middle square of frames (B, H, W, 3) as pictures (B, 3, SIDE, SIDE), float32 on the CPU."""
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = frames[:, top : top + side, left : left + side].permute(0, 3, 1, 2).float().cpu()
    if side == SIDE:
        return middle
    return F.interpolate(middle, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)


def crop(pictures: Tensor, centres: Tensor) -> Tensor:
    """CROP x CROP pixels around centres (B, 2), x and y in -1..1, of pictures (B, 3, SIDE, SIDE)."""
    steps = ((torch.arange(CROP, device=pictures.device) + 0.5) * 2 / CROP - 1) * CROP / SIDE
    x = (centres[:, :1] + steps)[:, None, :].expand(-1, CROP, -1)
    y = (centres[:, 1:] + steps)[:, :, None].expand(-1, -1, CROP)
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def gaussian_blur(pictures: Tensor, sigma: float) -> Tensor:
    """Blur (B, C, H, W) by a Gaussian of ``sigma`` pixels."""
    radius = math.ceil(3 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    channels = pictures.shape[1]
    padded = F.pad(pictures, (radius,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)


def _relative(pictures: Tensor) -> Tensor:
    """Colours relative to the picture's mean colour, in units of its spread."""
    centred = pictures - pictures.mean(dim=(2, 3), keepdim=True)
    spread = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / spread.clamp(min=_FLAT)


@lru_cache(maxsize=1)
def _reader() -> MouthReader:
    if not WEIGHTS.is_file():
        raise InputError(f"{WEIGHTS} is missing; install anew, or make it: python scripts/fit_mouth.py")
    reader = MouthReader()
    reader.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return reader.eval().requires_grad_(False)
