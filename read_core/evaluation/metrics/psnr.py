"""Peak signal-to-noise ratio in decibels, of whole frames and inside boxes."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import InputError

BEST = 100.0  # PSNR of equal pictures


def psnr(frames: Tensor, true: Tensor) -> float:
    """PSNR of (F, H, W, 3) in 0..1, from the mean squared error over all values.

    Raises:
        InputError: shapes differ.
    """
    return to_decibels(float(_squared_error(frames, true).mean()))


def psnr_in_boxes(frames: Tensor, true: Tensor, boxes: Tensor) -> float:
    """PSNR over the pixels whose centers are in each frame's box.

    Args:
        frames, true: (F, H, W, 3), 0..1.
        boxes: (F, 4) pixels x0, y0, x1, y1.

    Raises:
        InputError: shapes differ, or the boxes contain no pixel.
    """
    error = _squared_error(frames, true).mean(dim=-1)
    inside = in_boxes(boxes, frames.shape[1], frames.shape[2])
    if not bool(inside.any()):
        raise InputError("the boxes hold no pixel; expected x0, y0, x1, y1 in pixels")
    return to_decibels(float(error[inside].mean()))


def in_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Mask of the pixels in each frame's box: (F, 4) -> (F, H, W) bool."""
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    left, top, right, bottom = (edge[:, None] for edge in boxes.unbind(dim=1))
    columns, rows = (x > left) & (x < right), (y > top) & (y < bottom)
    return rows[:, :, None] & columns[:, None, :]


def to_decibels(error: float) -> float:
    """Mean squared error of values in 0..1 as PSNR, at most 100."""
    return BEST if error <= 10 ** (-BEST / 10) else -10 * float(torch.tensor(error).log10())


def _squared_error(frames: Tensor, true: Tensor) -> Tensor:
    if frames.shape != true.shape:
        raise InputError(f"frames have shape {tuple(frames.shape)}; expected {tuple(true.shape)}")
    return (frames.float() - true.float()).square()
