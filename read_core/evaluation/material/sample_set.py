"""Held-out samples, a checkpoint's videos of them, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...records import SamplingSettings
from ..metrics.sync import (
    LipFigures,
    SyncScore,
    common_lag,
    count_shut,
    lip_figures,
    opening_range,
    relative_opening,
    score_sync,
)
from .videos import Video, VideoGenerator

if TYPE_CHECKING:
    from torch import Tensor

    from .samples import Sample


class SampleSet:
    """Samples with their videos and scores, computed at first use.

    Args:
        studio: generates the videos.
        samples: one or more.
        settings: how to sample.
        what: label of the progress bar.
    """

    def __init__(
        self,
        generator: VideoGenerator,
        samples: Sequence[Sample],
        settings: SamplingSettings,
        what: str = "generating",
    ) -> None:
        self.generator = generator
        self.samples = samples
        self.settings = settings
        self.what = what

    @cached_property
    def videos(self) -> list[Video]:
        """The checkpoint's video of each sample."""
        work = tqdm(self.samples, desc=self.what, leave=False)
        return [self.generator.asynchronous(sample, self.settings) for sample in work]

    @cached_property
    def drawn(self) -> list[Tensor]:
        """Mouth tracks measured on the drawn videos, (F, 3) each."""
        return [self.generator.mouth(sample.frames) for sample in self.samples]

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

    def figures(self, chosen: Sequence[int] | None = None) -> LipFigures:
        """Of all videos or the ``chosen`` ones."""
        return self._figures(self.scores, [video.mouth for video in self.videos], chosen)

    def drawn_figures(self) -> LipFigures:
        """Of the drawn videos."""
        return self._figures(self.measure, self.drawn, None)

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

    def _figures(
        self, scores: Sequence[SyncScore], tracks: Sequence[Tensor], chosen: Sequence[int] | None
    ) -> LipFigures:
        chosen = range(len(scores)) if chosen is None else chosen
        lag, _ = common_lag([(tracks[i][:, 0], self.samples[i].mouth[:, 0]) for i in chosen])
        return lip_figures([scores[i] for i in chosen], lag)
