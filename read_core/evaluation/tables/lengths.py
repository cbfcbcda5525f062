"""The figures of the suite of lengths: of a clip, of a face's clips, and of one length against another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..figures import mean, mean_figures
from ..metrics.drift import detail, measure_drift
from ..metrics.intervals import Estimate, difference_of_means, ratio_of_means, ratio_of_ratios
from ..metrics.seams import flicker, score_seams
from ..metrics.sync import Range, ShutCases, common_lag, correlation, count_shut, relative_opening

if TYPE_CHECKING:
    from torch import Tensor

    from ..material.gallery import Gallery
    from ..material.samples import Sample
    from ..material.videos import Video


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
class ClipValues:
    """Figures of the frames that a clip adds, or means over the clips of a face.

    Attributes:
        opening, width, rounding: correlation of each measured track with the true one.
        flicker: mean difference of neighbors where the drawn background stands still, in 1/255.
        clips, latents, inside: see ``metrics.seams.SeamScore``; ``clips`` is NaN where no clip came before.
        nearest: 1 where the clip is nearest to its own portrait, else 0.
        own, likeness, face, border: see ``metrics.drift.Drift``; the last two from the portrait.
        detail: mean difference of neighboring pixels by that of the drawn video.
    """

    opening: float
    width: float
    rounding: float
    flicker: float
    clips: float
    latents: float
    inside: float
    nearest: float
    own: float
    likeness: float
    face: float
    border: float
    detail: float


@dataclass(frozen=True)
class ClipFigures:
    """Of the frames that a clip adds: values, openings (f,) as measured and true, and shut cases."""

    values: ClipValues
    openings: tuple[Tensor, Tensor]
    cases: ShutCases


@dataclass(frozen=True)
class FaceFigures:
    """Of all clips of a face: means over clips, the best lag of all, and cases counted in all of them."""

    means: ClipValues
    lag: float
    cases: ShutCases


Faces = Sequence[FaceFigures]


@dataclass(frozen=True)
class MeanOver:
    """A figure that is the mean over faces.

    Attributes:
        title: of its column.
        of: the value of a face.
        kind: how lengths are compared: a "ratio", or a "difference" where it may be near 0.
    """

    title: str
    of: Callable[[FaceFigures], float]
    kind: str = "difference"

    def value(self, faces: Faces) -> float:
        """NaN where there is none."""
        return mean(self.of(face) for face in faces)

    def against(self, faces: Faces, base: Faces) -> Estimate:
        """Of the same ``faces`` at one length by that at another, or less it."""
        compare = ratio_of_means if self.kind == "ratio" else difference_of_means
        return compare([self.of(face) for face in faces], [self.of(face) for face in base])


@dataclass(frozen=True)
class RatioOver:
    """A figure that is a ratio of two means over faces; lengths are compared by a ratio.

    Attributes:
        title: of its column.
        over, under: the values of a face.
    """

    title: str
    over: Callable[[ClipValues], float]
    under: Callable[[ClipValues], float]
    kind: str = "ratio"

    def value(self, faces: Faces) -> float:
        """NaN where there is none."""
        return ratio_of_means(*self._columns(faces)).value

    def against(self, faces: Faces, base: Faces) -> Estimate:
        """Of the same ``faces`` at one length by that at another."""
        return ratio_of_ratios(*self._columns(faces), *self._columns(base))

    def _columns(self, faces: Faces) -> tuple[list[float], list[float]]:
        return [self.over(face.means) for face in faces], [self.under(face.means) for face in faces]


@dataclass(frozen=True)
class ShareOver:
    """A figure that is a share of all cases of all faces; lengths are compared by a difference.

    Attributes:
        title: of its column.
        hits, cases: how many a face has.
    """

    title: str
    hits: Callable[[ShutCases], int]
    cases: Callable[[ShutCases], int]
    kind: str = "difference"

    def value(self, faces: Faces) -> float:
        """NaN where there is none."""
        hits, cases = self._columns(faces)
        return sum(hits) / sum(cases) if sum(cases) else float("nan")

    def against(self, faces: Faces, base: Faces) -> Estimate:
        """Of the same ``faces`` at one length less that at another."""
        (hits, cases), (base_hits, _) = self._columns(faces), self._columns(base)
        return difference_of_means(hits, base_hits, cases)

    def _columns(self, faces: Faces) -> tuple[list[int], list[int]]:
        return [self.hits(face.cases) for face in faces], [self.cases(face.cases) for face in faces]


LengthFigure = MeanOver | RatioOver | ShareOver

LIPS: tuple[LengthFigure, ...] = (
    MeanOver("open r", lambda face: face.means.opening),
    MeanOver("width r", lambda face: face.means.width),
    MeanOver("round r", lambda face: face.means.rounding),
    MeanOver("best lag", lambda face: face.lag),
    ShareOver("p b m shut", lambda cases: cases.hits, lambda cases: cases.closures),
    ShareOver("silence shut", lambda cases: cases.shut, lambda cases: cases.silent),
)
SEAMS = RatioOver("clips / inside", lambda means: means.clips, lambda means: means.inside)
PICTURES: tuple[LengthFigure, ...] = (
    MeanOver("flicker", lambda face: face.means.flicker, "ratio"),
    SEAMS,
    RatioOver("latents / inside", lambda means: means.latents, lambda means: means.inside),
    MeanOver("nearest is its own", lambda face: face.means.nearest),
    MeanOver("own distance", lambda face: face.means.own, "ratio"),
    MeanOver("likeness", lambda face: face.means.likeness),
    MeanOver("face, from the portrait", lambda face: face.means.face, "ratio"),
    MeanOver("border, from the portrait", lambda face: face.means.border, "ratio"),
    MeanOver("detail", lambda face: face.means.detail, "ratio"),
)


def of_clip(piece: Sample, video: Video, own: slice, truth: Truth) -> ClipFigures:
    """Measure the frames ``own`` of a video of ``piece``; where they begin, a clip before them may end."""
    length = own.stop - own.start
    frames, drawn = video.frames[own], piece.pixels[own].float() / 255
    drift = measure_drift([frames], piece.portrait, truth.gallery)
    begins = [0] if own.start > length else []  # the frame before is another clip's
    seams = score_seams(video.frames[own.start - 1 : own.stop], begins)
    measured, true = video.mouth[own], piece.mouth[own]
    part = piece.cut(length, own.start)
    opening, width, rounding = (correlation(measured[:, i], true[:, i]) for i in range(3))
    values = ClipValues(
        opening=opening,
        width=width,
        rounding=rounding,
        flicker=flicker(frames, truth.still),
        clips=seams.clips,
        latents=seams.latents,
        inside=seams.inside,
        nearest=float(drift.recognized[0]),
        own=drift.own[0],
        likeness=drift.likeness[0],
        face=drift.face_from_portrait[0],
        border=drift.border_from_portrait[0],
        detail=detail(frames) / detail(drawn),
    )
    relative = relative_opening(measured[:, 0], truth.speaker)
    cases = count_shut(relative, true[:, 0], part.phonemes, part.closures)
    return ClipFigures(values, (measured[:, 0], true[:, 0]), cases)


def of_face(clips: Sequence[ClipFigures]) -> FaceFigures:
    """All clips of a face together; the best lag is that of all."""
    return FaceFigures(
        means=mean_figures([clip.values for clip in clips]),
        lag=float(common_lag([clip.openings for clip in clips])[0]),
        cases=sum((clip.cases for clip in clips), ShutCases()),
    )


def against_first(figure: LengthFigure, lengths: Sequence[Faces], place: int) -> str:
    """A figure of the length at ``place`` against the first length that has it, "0.98 (0.95 to 1.02)".

    A dash where no length before it has it.
    """
    base = next((faces for faces in lengths[:place] if not math.isnan(figure.value(faces))), None)
    return "-" if base is None else str(figure.against(lengths[place], base))
