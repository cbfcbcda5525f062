"""Change of a video's colors over time, and their distance from those of the real video."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ...errors import InputError
from ...geometry import FPS
from ..figures import column
from .drift import coarse, color_distance, middle_and_border

if TYPE_CHECKING:
    from torch import Tensor

SEEN = "every frame at 25 per second; the middle square of the picture, reduced to 16 x 16 colors"
NOTE = (
    "Distances of mean colors, in 1/255, of the middle of that square and of its left, right and upper "
    "border. Drift: of the video's last second from its first one. From real: of the whole video from the "
    "real one of its name, over the frames that both have."
)


@dataclass(frozen=True)
class ColorFigures:
    """Distances of colors, in 1/255.

    Attributes:
        drift, border_drift: last second from the first one, in the middle and at the border.
        apart, border_apart: the video from the real one.
    """

    drift: float = column("drift")
    border_drift: float = column("border drift")
    apart: float = column("from real")
    border_apart: float = column("border from real")


def color_track(frames: Iterable[Tensor]) -> Tensor:
    """Mean colors of F pictures (H, W, 3) uint8: (F, 2, 3), 0..1, of the middle and of the border.

    Raises:
        InputError: there are none.
    """
    found = [torch.cat(middle_and_border(coarse(frame[None].float() / 255))) for frame in frames]
    if not found:
        raise InputError("colors need a frame at least")
    return torch.stack(found)


def score_colors(track: Tensor, real: Tensor) -> ColorFigures:
    """Compare the colors (F, 2, 3) of a video with themselves and with those of the real one."""
    length = min(len(track), len(real))
    drift = color_distance(track[-FPS:].mean(0), track[:FPS].mean(0))
    apart = color_distance(track[:length].mean(0), real[:length].mean(0))
    return ColorFigures(*drift.tolist(), *apart.tolist())
