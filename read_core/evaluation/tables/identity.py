"""The tables of identity: every clip against other faces in its scene, and a long video clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..material.gallery import draw_gallery
from ..material.samples import draw_sample
from ..metrics.drift import measure_drift
from ..metrics.intervals import share_of
from ..metrics.seams import flicker, split_clips, still_pixels, whole_clips
from ..metrics.sync import score_sync
from .report import Cell, Report, mean

if TYPE_CHECKING:
    from ..material.cast import Cast
    from ..material.gallery import Gallery

_LONG_SEED = 5_000
_MEANS = ("own", "other", "likeness", "face_from_portrait", "border_from_portrait")


def add_identity(report: Report, cast: Cast, galleries: Sequence[Gallery]) -> None:
    """Whether the face of each clip is nearest to its own portrait's; ``galleries``: one for each sample."""
    window = cast.studio.pipe.defaults.window
    drawn = [sample.frames for sample in cast.samples]
    rows: list[tuple[Cell, ...]] = []
    for name, videos in (("drawn", drawn), ("generated", [video.frames for video in cast.videos])):
        found = [
            measure_drift(split_clips(frames, window), sample.portrait, gallery)
            for frames, sample, gallery in zip(videos, cast.samples, galleries, strict=True)
        ]
        hits = [hit for drift in found for hit in drift.recognised]
        share = share_of(sum(hits), len(hits))
        means = (mean(value for drift in found for value in getattr(drift, each)) for each in _MEANS)
        face = mean(value for drift in found for value in drift.face[1:])
        border = mean(value for drift in found for value in drift.border[1:])
        rows.append((name, len(hits), share.value, share.interval, *means, face, border))
    report.add(
        "Identity",
        (
            "videos", "clips", "nearest is its own", "95 %", "own distance", "nearest other", "likeness",
            "face, from the portrait", "border, from the portrait",
            "face, from clip 1", "border, from clip 1",
        ),
        rows,
        "Nearest is its own: share of clips whose mean picture around the head is nearer to their portrait "
        f"than to any of {len(galleries[0].faces)} other held-out faces in the same scene: background, "
        "clothes, light and framing are the portrait's own. Its interval is Wilson's; it takes the clips of "
        "a video as independent, which they are not quite. Own distance and nearest other: root mean square "
        "difference from the portrait and from the nearest other face, in 1/255, over 32 x 32 colours of a "
        "box around the head; likeness: correlation with the portrait there, which a change of brightness "
        "leaves as it is. Face and border: distance of the mean colour of the picture's middle and of its "
        "border from the portrait's, and of the later clips' from the first's, in 1/255. Heads move, so the "
        "drawn videos are not at 0.",
    )  # fmt: skip


def add_drift(report: Report, cast: Cast, clips: int, others: int) -> None:
    """Colour and identity over one video of so many ``clips``, among ``others`` other faces."""
    pipe = cast.studio.pipe
    window = pipe.defaults.window
    frames = whole_clips(clips, window)
    sample = draw_sample(
        _LONG_SEED, "test", frames, pipe.card.resolution, cast.samples[-1].synthesiser, pipe.card.face
    )
    gallery = draw_gallery(sample, others)
    video = cast.studio.asynchronous(sample, cast.settings)
    made, drawn = (
        measure_drift(split_clips(x, window), sample.portrait, gallery) for x in (video.frames, sample.frames)
    )
    score = score_sync(video.mouth, sample.mouth)
    columns = (
        made.face, made.border, made.face_from_portrait, made.border_from_portrait, made.own, made.other,
        made.identity, drawn.face_from_portrait, drawn.border_from_portrait, drawn.own,
    )  # fmt: skip
    report.add(
        f"Drift over {frames} frames",
        (
            "clip", "face, from clip 1", "border, from clip 1", "face, from the portrait",
            "border, from the portrait", "own distance", "nearest other", "identity",
            "face, drawn", "border, drawn", "own distance, drawn",
        ),
        [(index + 1, *values) for index, values in enumerate(zip(*columns, strict=True))],
        "Face and border: distance of the mean colours from the first clip's and from the portrait's, in "
        "1/255; drawn: that of the drawn video from the portrait. Own distance and nearest other: root mean "
        "square difference from the portrait and from the nearest other face around the head, in 1/255; "
        f"identity: share of {others} other faces in the same scene that it is farther from than from its "
        "portrait. Over the whole video the opening's correlation is "
        f"{score.opening:.3f} at lag 0 (best lag {score.lag}), the flicker of the background "
        f"{flicker(video.frames, still_pixels(sample.frames)):.2f}.",
    )  # fmt: skip
