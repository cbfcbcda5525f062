"""Decide from the codec's pictures how far the portrait may replace a decoded frame; stricter at lips.

The codec's picture of the portrait, warped along the flow, should look like the decoded frame. If it does
not, the frame shows something that the portrait lacks (an open mouth, a closed eyelid), and the frame is
kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from .flow import blur

if TYPE_CHECKING:
    from torch import Tensor

# Differences at which 1 / e of the trust is left, as mean absolute difference of colors in 0..1.
ANYWHERE = 0.03  # if nothing is known of the face
EYES = 0.05
MOUTH = 0.03
ELSEWHERE = 0.06  # hair, skin and background move, but show little that the portrait lacks
# Sides of boxes as shares of the shorter side of the picture.
AVERAGED = 9 / 128  # of a pixel's difference
SPREAD = 5 / 128  # weight of the largest difference at lips and eyelids
# Half axes and offset of the places in distances between the eyes.
EYE_AXES = (0.5, 0.36)
MOUTH_AXES = (0.75, 0.7)
MOUTH_BELOW = 0.15  # an open mouth extends more down than up


def trust(frame: Tensor, moved: Tensor, places: Tensor | None = None) -> Tensor:
    """Share of the portrait in the result, 0..1.

    Args:
        frame: decoded frame, (b, 3, h, w) in 0..1.
        moved: the codec's picture of the portrait, warped along the flow, in the same form.
        places: (b or 1, 2, h, w), 0..1: how much a pixel belongs to an eye and to the mouth; None: unknown.

    Returns:
        (b, 1, h, w).
    """
    difference = (frame - moved).abs().mean(1, keepdim=True)
    shorter = min(frame.shape[-2:])
    average = blur(difference, odd(AVERAGED * shorter))
    doubt = (average / (ANYWHERE if places is None else ELSEWHERE)).square()
    if places is not None:
        side = odd(SPREAD * shorter)
        largest = F.max_pool2d(blur(difference, 3), side, 1, side // 2)
        for place, width in zip(torch.split(places, 1, dim=1), (EYES, MOUTH), strict=True):
            doubt = torch.lerp(doubt, (largest / width).square(), place)
    return torch.exp(-doubt)


def face_places(points: Tensor, height: int, width: int) -> Tensor:
    """Maps of the eyes and the mouth: (1, 2, height, width), 1 inside, 0 far away.

    Args:
        points: (3, 2) fractions of width and height: one eye, the other, the middle of the mouth.
        height, width: of the map in pixels.
    """
    scale = points.new_tensor([width, height])
    pixels = points * scale
    distance = (pixels[1] - pixels[0]).norm().clamp(min=1.0)
    along = (pixels[1] - pixels[0]) / distance  # the face's own axis, so that a tilted head has tilted places
    below = torch.stack([-along[1], along[0]])
    if (pixels[2] - pixels[0]) @ below < 0:
        below = -below
    mouth = pixels[2] + MOUTH_BELOW * distance * below
    axes = (along, below)
    eyes = [_ellipse(center, axes, EYE_AXES, distance, (height, width)) for center in pixels[:2]]
    lips = _ellipse(mouth, axes, MOUTH_AXES, distance, (height, width))
    return torch.stack([torch.maximum(*eyes), lips])[None]


def odd(value: float) -> int:
    """The odd whole number nearest to ``value``, at least 1."""
    return max(1, 2 * round((value - 1) / 2) + 1)


def _ellipse(
    center: Tensor,
    axes: tuple[Tensor, Tensor],
    halves: tuple[float, float],
    distance: Tensor,
    size: tuple[int, int],
) -> Tensor:
    """1 in the inner half of an ellipse, falling to 0 at its rim: (height, width)."""
    y = torch.arange(size[0], device=center.device)[:, None] + 0.5 - center[1]
    x = torch.arange(size[1], device=center.device)[None, :] + 0.5 - center[0]
    parts = [(x * axis[0] + y * axis[1]) / (half * distance) for axis, half in zip(axes, halves, strict=True)]
    radius = (parts[0].square() + parts[1].square()).sqrt()
    return (2 * (1 - radius)).clamp(0, 1)
