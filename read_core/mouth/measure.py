"""Measure on pixels how far a mouth is open, how wide it is and how rounded.

A very small network finds the mouth in each frame and reads its shape from a crop around it. It was trained
on drawn presenters of the training split, blurred, noisy and recolored (``scripts/fit_mouth.py``). It uses
only pixels of the frame. Frames are measured one by one, so a video may come in pieces. It works on drawn
faces that fill the picture as in the corpus, not on photographs.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from .reader import SOFT, MouthReader, gaussian_blur, load_reader, square

WEIGHTS = Path(__file__).with_name("mouth.safetensors")

_BATCH = 32
_LOWEST = (0.0, -1.0, 0.0)


def mouth_opening(frames: Tensor) -> Tensor:
    """Opening of the mouth in each frame: (F, H, W, 3) float 0..1 -> (F,) float32, 0..1.

    Raises:
        InputError: frames of another shape or type, or smaller than 32 pixels.
    """
    return mouth_shape(frames)[:, 0]


@torch.no_grad()
def mouth_shape(frames: Tensor) -> Tensor:
    """Estimates of open 0..1, width -1..1 and round 0..1: (F, H, W, 3) float 0..1 -> (F, 3) float32.

    Raises:
        InputError: frames of another shape or type, or smaller than 32 pixels.
    """
    check_frames(frames)
    reader = _reader()
    shapes = [torch.empty(0, 3)]
    for start in range(0, len(frames), _BATCH):
        pictures = gaussian_blur(square(frames[start : start + _BATCH]).cpu(), SOFT)
        shapes.append(reader.shape(pictures, reader.find(pictures)))
    return torch.cat(shapes).clamp(torch.tensor(_LOWEST), torch.ones(3))


def check_frames(frames: Tensor) -> None:
    """Raise InputError unless frames are (F, H, W, 3) floating point, of 32 pixels or more."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or not frames.is_floating_point():
        raise InputError(
            f"frames have shape {tuple(frames.shape)} and type {frames.dtype}; expected (F, H, W, 3), "
            "floating point"
        )
    height, width = frames.shape[1:3]
    if min(height, width) < 32:
        raise InputError(f"frames are {width} x {height} pixels; a mouth needs at least 32 x 32")


@lru_cache(maxsize=1)
def _reader() -> MouthReader:
    if not WEIGHTS.is_file():
        raise InputError(
            f"{WEIGHTS} is missing; install the package again, or make the file: python scripts/fit_mouth.py"
        )
    return load_reader(WEIGHTS)
