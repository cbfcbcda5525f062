"""Glasses drawn over squares of faces, so that the reader of points learns to look through them."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def with_glasses(pictures: Tensor, places: Tensor, eyes: Tensor, generator: Generator) -> Tensor:
    """Draw a pair of glasses over each picture.

    Args:
        pictures: (B, 3, h, w), 0..1.
        places: (B, h, w, 2) of the pixels, in eye distances, in the upright frame of the face.
        eyes: (B, 2, 2) both eyes there, the one at the left first.
        generator: draws shapes, colors and reflections.

    Returns:
        Pictures of the same shape.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(len(pictures), *shape, generator=generator)[..., None, None]

    half_width, half_height = uniform(0.30, 0.50), uniform(0.19, 0.44)
    square, tilt = uniform(2.0, 5.0), uniform(-0.1, 0.35)
    rim, brow = uniform(0.02, 0.14), uniform(0.0, 1.0) ** 3 * 0.25
    shift_x, shift_y = uniform(-0.06, 0.06), uniform(-0.06, 0.14)
    soft = 0.06
    frame, lens, glare = (torch.zeros(len(pictures), *pictures.shape[2:]) for _ in range(3))
    for side, outward in ((0, -1.0), (1, 1.0)):
        x = (places[..., 0] - eyes[:, side, 0, None, None]) * outward + shift_x
        y = places[..., 1] - eyes[:, side, 1, None, None] - shift_y
        y = y + tilt * x.clamp(min=0)
        away = ((x / half_width).abs() ** square + (y / half_height).abs() ** square) ** (1 / square)
        thick = rim + brow * (y < 0)
        ring = ((thick / 2 - (away - 1).abs()) / soft + 0.5).clamp(0, 1)
        arm = (0.06 - (y + 0.4 * half_height).abs()) / soft + 0.5
        ring = torch.maximum(ring, arm.clamp(0, 1) * (x > half_width))
        bridge = ((0.05 - (y + 0.3 * half_height).abs()) / soft + 0.5).clamp(0, 1)
        ring = torch.maximum(ring, bridge * (x < -half_width) * (x > -0.55))
        frame = torch.maximum(frame, ring)
        inside = ((1 - away) / soft + 0.5).clamp(0, 1)
        lens = torch.maximum(lens, inside)
        spot_x, spot_y, wide = uniform(-0.35, 0.35), uniform(-0.3, 0.3), uniform(0.03, 0.2)
        slant = uniform(-1.0, 1.0)
        spot = torch.exp(-(((x - spot_x + slant * (y - spot_y)) / wide) ** 2) - ((y - spot_y) / 0.2) ** 2)
        glare = torch.maximum(glare, spot * inside)
    color = uniform(0.0, 1.0, 3) ** 2
    color = torch.lerp(color, uniform(0.0, 0.25, 1), (uniform(0, 1, 1) < 0.6).float())
    tint, dark = uniform(0.0, 1.0, 3), uniform(0.0, 1.0, 1)
    depth = torch.where(dark < 0.8, 0.2 * dark, 5 * (dark - 0.8))  # a fifth are sunglasses
    pictures = torch.lerp(pictures, 0.4 * tint, lens[:, None] * depth)
    shine = (uniform(0, 1, 1) < 0.5) * uniform(0.2, 0.9, 1)
    pictures = torch.lerp(pictures, torch.ones(()), glare[:, None] * shine)
    return torch.lerp(pictures, color, frame[:, None] * uniform(0.5, 1.0, 1))
