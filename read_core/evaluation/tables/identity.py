"""The tables of identity: every clip against other faces in its scene, and a long video clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..figures import INTERVAL, column, mean
from ..material.gallery import draw_gallery
from ..material.samples import draw_sample
from ..metrics.drift import Drift, measure_drift
from ..metrics.intervals import Estimate, share_of
from ..metrics.seams import flicker, split_clips, still_pixels, whole_clips
from ..metrics.sync import score_sync

if TYPE_CHECKING:
    from ..material.gallery import Gallery
    from ..material.sample_set import SampleSet
    from .report import Report

_LONG_SEED = 5_000


@dataclass(frozen=True)
class IdentityFigures:
    """Faces of the clips of several videos; distances and colors in 1/255.

    Attributes:
        clips: how many there are.
        nearest: share of the clips that are nearest to their own portrait.
        own, other, likeness, face_from_portrait, border_from_portrait: means of what ``metrics.drift.Drift``
            has of each clip.
        face_from_first, border_from_first: distance of the later clips' mean colors from the first's.
    """

    clips: int = column("clips")
    nearest: Estimate = column("nearest is its own", INTERVAL)
    own: float = column("own distance")
    other: float = column("nearest other")
    likeness: float = column("likeness")
    face_from_portrait: float = column("face, from the portrait")
    border_from_portrait: float = column("border, from the portrait")
    face_from_first: float = column("face, from clip 1")
    border_from_first: float = column("border, from clip 1")


@dataclass(frozen=True)
class DriftFigures:
    """A clip of a long video, see ``metrics.drift.Drift``, and of the drawn video."""

    face_from_first: float = column("face, from clip 1")
    border_from_first: float = column("border, from clip 1")
    face_from_portrait: float = column("face, from the portrait")
    border_from_portrait: float = column("border, from the portrait")
    own: float = column("own distance")
    other: float = column("nearest other")
    identity: float = column("identity")
    drawn_face: float = column("face, drawn")
    drawn_border: float = column("border, drawn")
    drawn_own: float = column("own distance, drawn")


def add_identity(report: Report, sample_set: SampleSet, galleries: Sequence[Gallery]) -> IdentityFigures:
    """Whether the face of each clip is nearest to its own portrait's; the figures of the generated videos.

    Args:
        report: gets the table.
        cast: the videos.
        galleries: other faces for each sample.
    """
    window = sample_set.generator.pipe.defaults.window
    videos = {
        "drawn": [sample.frames for sample in sample_set.samples],
        "generated": [video.frames for video in sample_set.videos],
    }
    found = {
        name: _identity(
            [
                measure_drift(split_clips(frames, window), sample.portrait, gallery)
                for frames, sample, gallery in zip(every, sample_set.samples, galleries, strict=True)
            ]
        )
        for name, every in videos.items()
    }
    report.add_figures(
        "Identity",
        "videos",
        IdentityFigures,
        list(found.items()),
        "Nearest is its own: share of clips whose mean picture around the head is nearer to their portrait "
        f"than to any of {len(galleries[0].faces)} other held-out faces with the portrait's background, "
        "clothes, light and framing. Its interval is Wilson's; it treats the clips of a video as "
        "independent, which is only approximately true. Own distance and nearest other: root mean square "
        "difference from the portrait and from the nearest other face, in 1/255, over 32 x 32 colors of a "
        "box around the head. Likeness: correlation with the portrait in that box; brightness does not "
        "change it. Face and border: distance of the mean color of the picture's middle and of its border "
        "from the portrait's, and of the later clips' from the first's, in 1/255. Heads move, so drawn "
        "videos are not at 0.",
    )
    return found["generated"]


def _identity(drifts: Sequence[Drift]) -> IdentityFigures:
    hits = [hit for drift in drifts for hit in drift.recognized]
    return IdentityFigures(
        clips=len(hits),
        nearest=share_of(sum(hits), len(hits)),
        own=mean(value for drift in drifts for value in drift.own),
        other=mean(value for drift in drifts for value in drift.other),
        likeness=mean(value for drift in drifts for value in drift.likeness),
        face_from_portrait=mean(value for drift in drifts for value in drift.face_from_portrait),
        border_from_portrait=mean(value for drift in drifts for value in drift.border_from_portrait),
        face_from_first=mean(value for drift in drifts for value in drift.face[1:]),
        border_from_first=mean(value for drift in drifts for value in drift.border[1:]),
    )


def add_drift(report: Report, sample_set: SampleSet, clips: int, others: int) -> None:
    """Color and identity over one video of so many ``clips``, among ``others`` other faces."""
    pipe = sample_set.generator.pipe
    window = pipe.defaults.window
    frames = whole_clips(clips, window)
    sample = draw_sample(
        _LONG_SEED, "test", frames, pipe.card.resolution, sample_set.samples[-1].synthesizer, pipe.card.face
    )
    gallery = draw_gallery(sample, others)
    video = sample_set.generator.asynchronous(sample, sample_set.settings)
    made, drawn = (
        measure_drift(split_clips(x, window), sample.portrait, gallery) for x in (video.frames, sample.frames)
    )
    score = score_sync(video.mouth, sample.mouth)
    columns = (
        made.face, made.border, made.face_from_portrait, made.border_from_portrait, made.own, made.other,
        made.identity, drawn.face_from_portrait, drawn.border_from_portrait, drawn.own,
    )  # fmt: skip
    report.add_figures(
        f"Drift over {frames} frames",
        "clip",
        DriftFigures,
        [(index + 1, DriftFigures(*values)) for index, values in enumerate(zip(*columns, strict=True))],
        "Face and border: distance of the mean colors from the first clip's and from the portrait's, in "
        "1/255. Drawn: that of the drawn video from the portrait. Own distance and nearest other: root mean "
        "square difference from the portrait and from the nearest other face around the head, in 1/255. "
        f"Identity: share of {others} other faces in the same scene that are less similar than the portrait. "
        "Over the whole video the opening's correlation is "
        f"{score.opening:.3f} at lag 0 (best lag {score.lag}), the flicker of the background "
        f"{flicker(video.frames, still_pixels(sample.frames)):.2f}.",
    )
