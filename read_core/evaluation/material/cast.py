"""A cast: held-out samples, a checkpoint's videos of them, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...records import SamplingSettings
from ..metrics.sync import (
    ShutCases,
    SyncScore,
    common_lag,
    count_shut,
    opening_range,
    relative_opening,
    score_sync,
)
from ..tables.report import mean
from .videos import Studio, Video

if TYPE_CHECKING:
    from torch import Tensor

    from .samples import Sample

LIP_COLUMNS = (
    "best lag", "count", "open r", "least", "width r", "round r", "shuffled r", "shuffled, most", "p b m",
    "p b m shut", "by chance", "silence shut", "opening in silence",
)  # fmt: skip
LIP_NOTE = (
    "Pearson correlation of the measured mouth tracks with the true ones, mean over videos; least: the "
    "opening's in the worst video. Best lag: of all videos together, in frames of 40 ms. Shuffled: each "
    "opening against the tracks of all other videos, their mean, and that of the video with most. Openings "
    "are measured in the range of the speaker's own drawn video; shut: below a tenth of it, for p, b and m "
    "(so many in all) within a frame of their middle. By chance: the share of all frames of speech within a "
    "frame of which the lips are shut. These shares and the opening in silence (0 where it lies below the "
    "range) count every case of all videos alike."
)


class Cast:
    """Samples with their videos and scores, computed at first use.

    Args:
        studio: generates the videos.
        samples: one or more.
        settings: how to sample.
        what: label of the progress bar.
    """

    def __init__(
        self,
        studio: Studio,
        samples: Sequence[Sample],
        settings: SamplingSettings,
        what: str = "generating",
    ) -> None:
        self.studio = studio
        self.samples = samples
        self.settings = settings
        self.what = what

    @cached_property
    def videos(self) -> list[Video]:
        """The checkpoint's video of each sample."""
        work = tqdm(self.samples, desc=self.what, leave=False)
        return [self.studio.asynchronous(sample, self.settings) for sample in work]

    @cached_property
    def drawn(self) -> list[Tensor]:
        """Mouth tracks measured on the drawn videos, (F, 3) each."""
        return [self.studio.mouth(sample.frames) for sample in self.samples]

    @cached_property
    def scores(self) -> list[SyncScore]:
        """Scores of the videos."""
        return self._scored([video.mouth for video in self.videos], shuffled=True)

    @cached_property
    def measure(self) -> list[SyncScore]:
        """Scores of the ground-truth videos (upper bound of the reader)."""
        return self._scored(self.drawn, shuffled=False)

    @cached_property
    def openings(self) -> list[Tensor]:
        """Openings of the videos, (F,) each, relative to the range of the same face's drawn video."""
        return [self._relative(index, video.mouth) for index, video in enumerate(self.videos)]

    def row(self, chosen: Sequence[int] | None = None) -> tuple[float | int, ...]:
        """LIP_COLUMNS of all videos or the ``chosen`` ones."""
        return self._row(self.scores, [video.mouth for video in self.videos], chosen)

    def drawn_row(self) -> tuple[float | int, ...]:
        """LIP_COLUMNS of the drawn videos."""
        return self._row(self.measure, self.drawn, None)

    def _scored(self, tracks: Sequence[Tensor], shuffled: bool) -> list[SyncScore]:
        truths = [sample.mouth for sample in self.samples]
        return [
            score_sync(
                track,
                sample.mouth,
                count_shut(
                    self._relative(index, track), sample.mouth[:, 0], sample.phonemes, sample.closures
                ),
                truths[:index] + truths[index + 1 :] if shuffled else (),
            )
            for index, (track, sample) in enumerate(zip(tracks, self.samples, strict=True))
        ]

    def _relative(self, index: int, track: Tensor) -> Tensor:
        return relative_opening(track[:, 0], opening_range(self.drawn[index][:, 0]))

    def _row(
        self, scores: Sequence[SyncScore], tracks: Sequence[Tensor], chosen: Sequence[int] | None
    ) -> tuple[float | int, ...]:
        chosen = range(len(scores)) if chosen is None else chosen
        lag, _ = common_lag([(tracks[i][:, 0], self.samples[i].mouth[:, 0]) for i in chosen])
        return (lag, *lip_row([scores[i] for i in chosen]))


def lip_row(scores: Sequence[SyncScore]) -> tuple[float | int, ...]:
    """LIP_COLUMNS without the lag."""
    openings = [score.opening for score in scores]
    shuffled = [score.shuffled for score in scores]
    cases = sum((score.cases for score in scores), ShutCases())
    return (
        len(scores),
        mean(openings),
        min(openings),
        mean(score.width for score in scores),
        mean(score.rounding for score in scores),
        mean(shuffled),
        max(shuffled),
        cases.closures,
        cases.closed,
        cases.chance,
        cases.silence,
        cases.quiet,
    )
