"""Mouth of a generated video against the mouth of the real one that says the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InputError
from ..figures import column
from .sync import best_lag, correlation, opening_range

if TYPE_CHECKING:
    from torch import Tensor

SEEN = (
    "every frame at 25 per second that both videos of a pair have; the face upright in a crop of 128 x 128, "
    "placed by both eyes and the mouth of read_core's finder, those of a neighbor where none is found"
)
NOTE = (
    "Correlation of the opening, width and rounding that read_core's small network reads in both videos; "
    "lag: shift in frames at which the openings fit best, positive: the generated mouth is late; range: "
    "that of the generated opening (2nd to 98th percentile) by the real one's."
)

_LEAST = 4  # frames


@dataclass(frozen=True)
class MouthFigures:
    """How a mouth follows another.

    Attributes:
        opening, width, rounding: Pearson correlation of the tracks.
        lag: shift in frames of 40 ms.
        span: range of the opening by that of the real video.
    """

    opening: float = column("open r")
    width: float = column("width r")
    rounding: float = column("round r")
    lag: float = column("lag")
    span: float = column("range")


def score_mouth(generated: Tensor, real: Tensor) -> MouthFigures:
    """Compare two tracks (F, 3) of opening, width and rounding, over the frames that both have.

    Raises:
        InputError: there are fewer than four of these.
    """
    length = min(len(generated), len(real))
    if length < _LEAST:
        raise InputError(f"both videos have {length} frames; a mouth is compared over {_LEAST} or more")
    ours, theirs = generated[:length], real[:length]
    opening, width, rounding = (correlation(ours[:, i], theirs[:, i]) for i in range(3))
    low, high = opening_range(theirs[:, 0])
    own_low, own_high = opening_range(ours[:, 0])
    span = (own_high - own_low) / (high - low) if high > low else float("nan")
    return MouthFigures(opening, width, rounding, float(best_lag(ours[:, 0], theirs[:, 0])[0]), span)
