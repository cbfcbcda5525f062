"""A cast: held-out samples, the videos that a checkpoint makes of them, and how well their lips follow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tqdm import tqdm

from .mouth import mouth_shape
from .report import mean
from .sync import SyncScore, common_lag, opening_range, score_sync
from .videos import Setting, Studio, Video

if TYPE_CHECKING:
    from torch import Tensor

    from .material import Sample

LIP_COLUMNS = (
    "best lag", "count", "open r", "least", "width r", "round r", "shuffled r", "p b m shut", "by chance",
    "silence shut", "opening in silence",
)  # fmt: skip
LIP_NOTE = (
    "Pearson correlation of the measured mouth tracks with the true ones, mean over videos; least: the "
    "opening's in the worst video. Best lag: of all videos together, in frames of 40 ms; shuffled: against "
    "another video's track. Openings are measured in the range of the speaker's own drawn video; shut: below "
    "a tenth of it, for p, b and m within a frame of their middle. By chance: the share of all frames of "
    "speech within a frame of which the lips are shut."
)


class Cast:
    """Samples with their videos and scores, made when first asked for.

    Args:
        studio: generates.
        samples: one or more.
        setting: how to sample.
        what: names the work in the progress bar.
    """

    def __init__(
        self, studio: Studio, samples: Sequence[Sample], setting: Setting, what: str = "generating"
    ) -> None:
        self.studio = studio
        self.samples = samples
        self.setting = setting
        self.what = what

    @cached_property
    def videos(self) -> list[Video]:
        """What the checkpoint makes of each sample."""
        work = tqdm(self.samples, desc=self.what, leave=False)
        return [self.studio.asynchronous(sample, self.setting) for sample in work]

    @cached_property
    def drawn(self) -> list[Tensor]:
        """Mouth tracks as measured on the drawn videos, (F, 3) each."""
        return [mouth_shape(sample.frames) for sample in self.samples]

    @cached_property
    def scores(self) -> list[SyncScore]:
        """Of the videos."""
        return self._scored([video.mouth for video in self.videos], shuffled=len(self.samples) > 1)

    @cached_property
    def measure(self) -> list[SyncScore]:
        """Of the drawn videos: what the measure itself is worth."""
        return self._scored(self.drawn, shuffled=False)

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
                sample.phonemes,
                truths[index - 1] if shuffled else None,
                opening_range(self.drawn[index][:, 0]),
            )
            for index, (track, sample) in enumerate(zip(tracks, self.samples, strict=True))
        ]

    def _row(
        self, scores: Sequence[SyncScore], tracks: Sequence[Tensor], chosen: Sequence[int] | None
    ) -> tuple[float | int, ...]:
        chosen = range(len(scores)) if chosen is None else chosen
        lag, _ = common_lag([(tracks[i][:, 0], self.samples[i].mouth[:, 0]) for i in chosen])
        return (lag, *lip_row([scores[i] for i in chosen]))


def lip_row(scores: Sequence[SyncScore]) -> tuple[float | int, ...]:
    """LIP_COLUMNS without the lag."""
    openings = [score.opening for score in scores]
    return (
        len(scores),
        mean(openings),
        min(openings),
        mean(score.width for score in scores),
        mean(score.rounding for score in scores),
        mean(score.shuffled for score in scores),
        mean(score.closures for score in scores),
        mean(score.chance for score in scores),
        mean(score.silence for score in scores),
        mean(score.quiet for score in scores),
    )
