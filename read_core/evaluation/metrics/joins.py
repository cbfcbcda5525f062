"""Seams of any video whose clips have a known length: jumps where clips meet, and elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ...errors import InputError
from ..figures import column, mean
from .seams import whole_clips

if TYPE_CHECKING:
    from torch import Tensor

SEEN = "every pair of neighboring frames at 25 per second, whole"
NOTE = (
    "Mean absolute difference of neighboring frames, in 1/255: between the last frame of a clip and the next "
    "frame, and between all others; 1 is seamless in their ratio. The real video is measured at the same "
    "places."
)


@dataclass(frozen=True)
class Joins:
    """Where the clips of a video meet.

    Attributes:
        first: frames of the first clip.
        added: frames that every further clip adds.
    """

    first: int
    added: int

    def __post_init__(self) -> None:
        if self.first < 1 or self.added < 1:
            raise InputError(
                f"clips have {self.first} frames at first and {self.added} more each; expected 1 or more"
            )

    @classmethod
    def of_window(cls, window: int) -> Joins:
        """Those of READ with ``window`` latents per clip: 121 and 112 frames for 16."""
        one = whole_clips(1, window)
        return cls(one, whole_clips(2, window) - one)

    def lasts(self, frames: int) -> list[int]:
        """Index of the last frame of each clip but the last one, in a video of ``frames`` frames."""
        return list(range(self.first - 1, frames - 1, self.added))


@dataclass(frozen=True)
class JoinFigures:
    """Jumps of a video, in 1/255.

    Attributes:
        clips: where clips meet; NaN for a single clip.
        elsewhere: everywhere else.
        ratio: of the two.
        count: how often clips meet.
    """

    clips: float = column("clips")
    elsewhere: float = column("elsewhere")
    ratio: float = column("clips / elsewhere")
    count: float = column("seams")


def neighbor_jumps(frames: Iterable[Tensor]) -> list[float]:
    """Mean absolute differences, in 1/255, of F pictures (H, W, 3) uint8 from the next: F - 1 values."""
    return [float((after.float() - before.float()).abs().mean()) for before, after in pairwise(frames)]


def score_joins(jumps: Sequence[float], joins: Joins) -> JoinFigures:
    """Figures of the jumps of :func:`neighbor_jumps`."""
    places = set(joins.lasts(len(jumps) + 1))
    clips = mean(jump for index, jump in enumerate(jumps) if index in places)
    elsewhere = mean(jump for index, jump in enumerate(jumps) if index not in places)
    ratio = clips / elsewhere if elsewhere else float("nan")
    return JoinFigures(clips, elsewhere, ratio, float(len(places)))
