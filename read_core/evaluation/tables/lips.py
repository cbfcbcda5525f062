"""The tables of lips: all videos, each synthesizer's, and video by video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..figures import column
from ..metrics.sync import LipFigures

if TYPE_CHECKING:
    from ..material.sample_set import SampleSet
    from ..metrics.sync import SyncScore
    from .report import Report

BY_VIDEO = "Lips, video by video"
LIP_NOTE = (
    "Pearson correlation of the measured mouth tracks with the true ones, mean over videos. Least: the "
    "opening's correlation in the worst video. Best lag: of all videos together, in frames of 40 ms. "
    "Shuffled: mean correlation of the opening with the tracks of all other videos; most: the video with the "
    "largest mean. Openings are relative to the range of the speaker's drawn video. Shut: below a tenth of "
    "that range; for p, b and m (their number is given) within one frame of their middle. By chance: share "
    "of all speech frames within one frame of a shut mouth. Opening in silence is 0 below the range. Shares "
    "and the opening in silence pool all cases of all videos."
)


@dataclass(frozen=True)
class VideoLips:
    """The lips of one video against its truth.

    Attributes:
        skin_tone: 0 very light .. 1 very dark.
        measure: correlation of the opening as it is read of the drawn video itself.
        opening, width, rounding, lag, shuffled: see ``metrics.sync.SyncScore``.
        closures: how many p, b and m there are.
        closed, chance, silence, quiet: see ``metrics.sync.ShutCases``.
    """

    skin_tone: float = column("skin tone")
    measure: float = column("measure r")
    opening: float = column("open r")
    width: float = column("width r")
    rounding: float = column("round r")
    lag: int = column("lag")
    shuffled: float = column("shuffled r")
    closures: int = column("p b m")
    closed: float = column("p b m shut")
    chance: float = column("by chance")
    silence: float = column("silence shut")
    quiet: float = column("opening in silence")


def add_lips(report: Report, sample_set: SampleSet) -> LipFigures:
    """Mouth tracks of drawn and generated videos, per video and in all; the figures of all generated ones."""
    generated = sample_set.figures()
    rows = [("drawn (the measure itself)", sample_set.drawn_figures()), ("generated", generated)]
    for speaker in dict.fromkeys(sample.synthesizer for sample in sample_set.samples):
        own = [i for i, sample in enumerate(sample_set.samples) if sample.synthesizer == speaker]
        rows.append((f"generated, {speaker}", sample_set.figures(own)))
    report.add_figures("Lips", "videos", LipFigures, rows, LIP_NOTE)
    report.add_figures(
        BY_VIDEO,
        "video",
        VideoLips,
        [
            (sample.name, _video_lips(sample.skin_tone, measure.opening, score))
            for sample, measure, score in zip(
                sample_set.samples, sample_set.measure, sample_set.scores, strict=True
            )
        ],
        "Skin tone: 0 very light .. 1 very dark. Measure r: the reader's correlation on the drawn video.",
    )
    return generated


def _video_lips(skin_tone: float, measure: float, score: SyncScore) -> VideoLips:
    cases = score.cases
    return VideoLips(
        skin_tone=skin_tone,
        measure=measure,
        opening=score.opening,
        width=score.width,
        rounding=score.rounding,
        lag=score.lag,
        shuffled=score.shuffled,
        closures=cases.closures,
        closed=cases.closed,
        chance=cases.chance,
        silence=cases.silence,
        quiet=cases.quiet,
    )
