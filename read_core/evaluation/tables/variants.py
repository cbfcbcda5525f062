"""The table that shows what the asynchronous scheduler does to lips and faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ..figures import column, mean
from ..metrics.drift import measure_drift
from ..metrics.intervals import Estimate, difference_of_means
from ..metrics.seams import split_clips
from ..metrics.sync import correlation

if TYPE_CHECKING:
    from ..material.gallery import Gallery
    from ..material.samples import Sample
    from ..material.videos import Video
    from .report import Report


@dataclass(frozen=True)
class Marks:
    """Lips and face of a video.

    Attributes:
        opening, width, rounding: correlation of each measured track with the true one.
        recognized: share of the clips that are nearest to their own portrait.
        own: distance of the clips' mean pictures from the portrait around the head, in 1/255.
    """

    opening: float
    width: float
    rounding: float
    recognized: float
    own: float


@dataclass(frozen=True)
class VariantFigures:
    """Means of :class:`Marks` over ``videos`` videos, or differences of two ways' means."""

    videos: int = column("count")
    opening: float | Estimate = column("open r")
    width: float | Estimate = column("width r")
    rounding: float | Estimate = column("round r")
    recognized: float | Estimate = column("nearest is its own")
    own: float | Estimate = column("own distance")


def mark(video: Video, sample: Sample, gallery: Gallery, window: int) -> Marks:
    """Measure a video of ``sample`` in clips of ``window`` latents against other faces in its scene."""
    drift = measure_drift(split_clips(video.frames, window), sample.portrait, gallery)
    opening, width, rounding = (correlation(video.mouth[:, i], sample.mouth[:, i]) for i in range(3))
    return Marks(opening, width, rounding, mean(map(float, drift.recognized)), mean(drift.own))


def add_variants(report: Report, marks: dict[str, list[Marks]]) -> None:
    """Lips and faces of the same videos made in each way; the first way is compared with the others.

    Args:
        report: gets the table.
        marks: by how the videos were made, a value for each video.
    """
    first, *others = marks
    rows = [
        (name, VariantFigures(len(own), *(mean(values) for values in _columns(own))))
        for name, own in marks.items()
    ]
    for name in others:
        pairs = zip(_columns(marks[first]), _columns(marks[name]), strict=True)
        differences = (difference_of_means(*pair) for pair in pairs)
        rows.append((f"{first}, less {name}", VariantFigures(len(marks[name]), *differences)))
    report.add_figures(
        "ANS and without it: lips and faces",
        "videos",
        VariantFigures,
        rows,
        "The videos of the tables of seams: correlation of the measured mouth tracks with the true ones; "
        "share of clips nearest to their own portrait, and their distance from it in 1/255, as in Identity. "
        'Rows with "less": differences, with 95 % intervals over videos. If the interval contains 0, no '
        "difference is shown.",
    )


def _columns(marks: Sequence[Marks]) -> list[list[float]]:
    return [[getattr(each, field.name) for each in marks] for field in fields(Marks)]
