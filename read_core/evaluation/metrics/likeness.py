"""Identity without a recognition network: the mean face of a video against those of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn import functional as F

from ..figures import column
from .sync import correlation

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 32
SEEN = (
    "every frame at 25 per second; the face upright in a crop, placed by both eyes and the mouth of "
    f"read_core's finder, those of a neighbor where none is found; reduced to {SIDE} x {SIDE} colors and "
    "averaged over the video"
)
NOTE = (
    "Distance of a video's mean face from that of the real video of its name: root mean square, in 1/255; "
    "nearest other: from the nearest of all real videos of others (in the paper's experiments, of other "
    "recordings); nearest is its own: share of videos for which the first is the smaller one; likeness: "
    "correlation with the real one. Colors are compared as they are. No recognition network takes part."
)


@dataclass(frozen=True)
class LikenessFigures:
    """How much a face looks like its own.

    Attributes:
        own: distance from its real video, in 1/255.
        other: distance from the nearest other one; NaN if there is none.
        recognized: 1 if its own is the nearest, else 0; NaN if there is no other.
        likeness: correlation with its real video.
    """

    own: float = column("own distance")
    other: float = column("nearest other")
    recognized: float = column("nearest is its own")
    likeness: float = column("likeness")


def face_colors(crop: Tensor) -> Tensor:
    """Mean colors of a crop (S, S, 3), 0..1, in 32 x 32 blocks: (3, 32, 32)."""
    return F.adaptive_avg_pool2d(crop.permute(2, 0, 1), SIDE)


def score_likeness(face: Tensor, own: Tensor, others: Sequence[Tensor]) -> LikenessFigures:
    """Compare a mean face (3, 32, 32) with that of its real video and with those of other real ones."""
    distance = _distance(face, own)
    nearest = min((_distance(face, other) for other in others), default=float("nan"))
    recognized = float(distance < nearest) if others else float("nan")
    return LikenessFigures(distance, nearest, recognized, correlation(face.flatten(), own.flatten()))


def _distance(first: Tensor, second: Tensor) -> float:
    return float(255 * (first - second).square().mean().sqrt())
