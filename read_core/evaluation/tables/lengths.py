"""The figures of the suite of lengths: of a clip, of a face's clips, and of one length against another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..metrics.drift import detail, measure_drift
from ..metrics.intervals import Estimate, difference_of_means, ratio_of_means, ratio_of_ratios
from ..metrics.seams import flicker, score_seams
from ..metrics.sync import Range, ShutCases, common_lag, correlation, count_shut, relative_opening
from .report import mean

if TYPE_CHECKING:
    from torch import Tensor

    from ..material.gallery import Gallery
    from ..material.samples import Sample
    from ..material.videos import Video

_TRACKS = ("open r", "width r", "round r")
_SHARES = {"p b m shut": ("hits", "closures"), "silence shut": ("shut", "silent")}
_QUOTIENTS = {"clips / inside": ("clips", "inside"), "latents / inside": ("latents", "inside")}
_POSITIVE = ("flicker", "own distance", "face, from the portrait", "border, from the portrait", "detail")
LIPS = (*_TRACKS, "best lag", *_SHARES)
PICTURES = (
    "flicker", *_QUOTIENTS, "nearest is its own", "own distance", "likeness", "face, from the portrait",
    "border, from the portrait", "detail",
)  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What is known of a face beside its sample.

    Attributes:
        still: (H, W) bool, where the drawn background does not change.
        gallery: other faces in its scene.
        speaker: the range of its opening as measured on the drawn video.
    """

    still: Tensor
    gallery: Gallery
    speaker: Range


@dataclass(frozen=True)
class ClipFigures:
    """Of the frames that a clip adds: ``values``, openings (f,) as measured and true, and shut ``cases``."""

    values: dict[str, float]
    openings: tuple[Tensor, Tensor]
    cases: ShutCases


@dataclass(frozen=True)
class FaceFigures:
    """Of all clips of a face: means over clips, and cases counted in all of them."""

    means: dict[str, float]
    cases: ShutCases


def of_clip(piece: Sample, video: Video, own: slice, truth: Truth) -> ClipFigures:
    """Measure the frames ``own`` of a video of ``piece``; where they begin, a clip before them may end."""
    length = own.stop - own.start
    frames, drawn = video.frames[own], piece.pixels[own].float() / 255
    drift = measure_drift([frames], piece.portrait, truth.gallery)
    begins = [0] if own.start > length else []  # the frame before is another clip's
    seams = score_seams(video.frames[own.start - 1 : own.stop], begins)
    measured, true = video.mouth[own], piece.mouth[own]
    said = piece.cut(length, own.start)
    values = {name: correlation(measured[:, i], true[:, i]) for i, name in enumerate(_TRACKS)} | {
        "flicker": flicker(frames, truth.still),
        "clips": seams.clips,
        "latents": seams.latents,
        "inside": seams.inside,
        "nearest is its own": float(drift.recognised[0]),
        "own distance": drift.own[0],
        "likeness": drift.likeness[0],
        "face, from the portrait": drift.face_from_portrait[0],
        "border, from the portrait": drift.border_from_portrait[0],
        "detail": detail(frames) / detail(drawn),
    }
    opening = relative_opening(measured[:, 0], truth.speaker)
    cases = count_shut(opening, true[:, 0], said.phonemes, said.closures)
    return ClipFigures(values, (measured[:, 0], true[:, 0]), cases)


def of_face(clips: Sequence[ClipFigures]) -> FaceFigures:
    """All clips of a face together; the best lag is that of all."""
    means = {name: mean(clip.values[name] for clip in clips) for name in clips[0].values}
    means["best lag"] = float(common_lag([clip.openings for clip in clips])[0])
    return FaceFigures(means, sum((clip.cases for clip in clips), ShutCases()))


def figure(name: str, faces: Sequence[FaceFigures]) -> float:
    """One of LIPS or PICTURES over faces; NaN where there is none."""
    if name in _QUOTIENTS:
        return ratio_of_means(*_quotient(name, faces)).value
    if name in _SHARES:
        hits, cases = _share(name, faces)
        return sum(hits) / sum(cases) if sum(cases) else float("nan")
    return mean(_means(name, faces))


def against(name: str, faces: Sequence[FaceFigures], base: Sequence[FaceFigures]) -> Estimate:
    """A figure of the same ``faces`` at one length by that at another, or less it; see :func:`compared`."""
    if name in _QUOTIENTS:
        return ratio_of_ratios(*_quotient(name, faces), *_quotient(name, base))
    if name in _SHARES:
        (hits, cases), (base_hits, _) = _share(name, faces), _share(name, base)
        return difference_of_means(hits, base_hits, cases)
    how = ratio_of_means if name in _POSITIVE else difference_of_means
    return how(_means(name, faces), _means(name, base))


def compared(name: str) -> str:
    """How lengths are compared in a figure: a "ratio", or a "difference" where it may be near 0."""
    return "ratio" if name in _POSITIVE or name in _QUOTIENTS else "difference"


def first_with(name: str, lengths: Sequence[Sequence[FaceFigures]]) -> Sequence[FaceFigures] | None:
    """The first of the lengths that has the figure; None: none has."""
    return next((faces for faces in lengths if not math.isnan(figure(name, faces))), None)


def _means(name: str, faces: Sequence[FaceFigures]) -> list[float]:
    return [face.means[name] for face in faces]


def _quotient(name: str, faces: Sequence[FaceFigures]) -> tuple[list[float], list[float]]:
    over, under = _QUOTIENTS[name]
    return _means(over, faces), _means(under, faces)


def _share(name: str, faces: Sequence[FaceFigures]) -> tuple[list[float], list[float]]:
    hits, cases = _SHARES[name]
    return [getattr(face.cases, hits) for face in faces], [getattr(face.cases, cases) for face in faces]
