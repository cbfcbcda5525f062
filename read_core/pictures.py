"""Resize, sample and convert pictures, on every device: releases of torch for MPS lack some of this."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def antialiased(pictures: Tensor, size: Sequence[int], mode: str = "bicubic") -> Tensor:
    """Pictures (n, c, h, w) at ``size``, antialiased, on their device; those of MPS by way of the CPU."""
    batch = pictures.cpu() if pictures.device.type == "mps" else pictures
    found = F.interpolate(batch, tuple(size), mode=mode, antialias=True, align_corners=False)
    return found.to(pictures.device)


def sampled(pictures: Tensor, places: Tensor, mode: str = "bilinear") -> Tensor:
    """Pictures (n, c, H, W) at ``places`` (n, h, w, 2), x first, -1..1; outside, the border is repeated.

    On MPS every mode is bilinear.
    """
    if pictures.device.type == "mps":
        return F.grid_sample(pictures, within(places, pictures), align_corners=False)
    return F.grid_sample(pictures, places, mode=mode, padding_mode="border", align_corners=False)


def within(places: Tensor, pictures: Tensor) -> Tensor:
    """``places``, of :func:`sampled`, not beyond the centers of the outermost pixels."""
    last = 1 - 1 / places.new_tensor([pictures.shape[3], pictures.shape[2]])
    return torch.maximum(torch.minimum(places, last), -last)


def as_bytes(frames: Tensor) -> Tensor:
    """Frames (F, H, W, 3), 0..1, as bytes, rounded on their device. Bytes stay as they are."""
    if frames.dtype == torch.uint8:
        return frames
    pixels = torch.empty(frames.shape, dtype=torch.uint8, device=frames.device)
    for target, frame in zip(pixels, frames, strict=True):  # a float copy of all would be four times as large
        target.copy_(frame.float().clamp(0, 1).mul_(255).round_())
    return pixels
