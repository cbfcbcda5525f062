"""The tables of identity: every clip against a gallery of faces, and a long video clip by clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .drift import measure_drift
from .material import draw_gallery, draw_sample
from .report import Cell, Report, mean
from .seams import flicker, split_clips, still_pixels, whole_clips
from .sync import score_sync

if TYPE_CHECKING:
    from torch import Tensor

    from .cast import Cast

_GALLERY_SEED = 10_000
_LONG_SEED = 5_000


def draw_others(count: int, resolution: tuple[int, int]) -> Tensor:
    """Portraits of ``count`` faces that are in no video of the evaluation: (count, H, W, 3), 0..1."""
    return draw_gallery(count, resolution, first_seed=_GALLERY_SEED)


def add_identity(report: Report, cast: Cast, gallery: Tensor) -> None:
    """Whether the face of each clip is nearest to its own portrait's; ``gallery``: (G, H, W, 3), others."""
    window = cast.studio.pipe.defaults.window
    drawn = [sample.frames for sample in cast.samples]
    rows: list[tuple[Cell, ...]] = []
    for name, videos in (("drawn", drawn), ("generated", [video.frames for video in cast.videos])):
        found = [
            measure_drift(split_clips(frames, window), sample.portrait, gallery)
            for frames, sample in zip(videos, cast.samples, strict=True)
        ]
        likeness = [value for drift in found for value in drift.likeness]
        hits = [float(hit) for drift in found for hit in drift.recognised]
        face = [value for drift in found for value in drift.face[1:]]
        border = [value for drift in found for value in drift.border[1:]]
        rows.append((name, len(hits), mean(hits), mean(likeness), min(likeness), mean(face), mean(border)))
    report.add(
        "Identity",
        ("videos", "clips", "nearest is its own", "likeness", "least", "face", "border"),
        rows,
        f"Nearest is its own: share of clips that are more like their portrait than any of {len(gallery)} "
        "other held-out faces. Likeness: correlation of the clip's mean picture with the portrait; face and "
        "border: distance of the later clips' mean colours from the first's, in 1/255.",
    )


def add_drift(report: Report, cast: Cast, clips: int, gallery: Tensor) -> None:
    """Colour and identity over one video of so many ``clips``."""
    pipe = cast.studio.pipe
    window = pipe.defaults.window
    frames = whole_clips(clips, window)
    sample = draw_sample(_LONG_SEED, "test", frames, pipe.card.resolution, cast.samples[-1].synthesiser)
    video = cast.studio.asynchronous(sample, cast.setting)
    made, drawn = (
        measure_drift(split_clips(x, window), sample.portrait, gallery) for x in (video.frames, sample.frames)
    )
    score = score_sync(video.mouth, sample.mouth, sample.phonemes)
    columns = (made.face, made.border, made.likeness, made.identity, drawn.face, drawn.border)
    report.add(
        f"Drift over {frames} frames",
        ("clip", "face", "border", "likeness", "identity", "face, drawn", "border, drawn"),
        [(index + 1, *values) for index, values in enumerate(zip(*columns, strict=True))],
        "Distance of mean colours from the first clip's, in 1/255. Likeness: correlation of the clip's "
        f"mean picture with the portrait; identity: share of {len(gallery)} other faces that it is "
        "less like. Over the whole video the opening's correlation is "
        f"{score.opening:.3f} at lag 0 (best lag {score.lag}), the flicker of the background "
        f"{flicker(video.frames, still_pixels(sample.frames)):.2f}.",
    )
