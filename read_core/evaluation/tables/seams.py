"""The tables and the picture of seams: with and without the asynchronous scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...errors import InputError
from ...geometry import latents_of_frames
from ..material.videos import Studio, Video
from ..metrics.intervals import Estimate, ratio_of_means, ratio_of_ratios
from ..metrics.seams import SeamScore, clip_starts, score_seams, still_pixels
from ..pictures.heatmap import difference_maps, save_heatmaps
from .report import Cell, Report, mean
from .variants import Marks, add_variants, mark

if TYPE_CHECKING:
    from torch import Tensor

    from ...pipeline import ReadPipeline
    from ..material.cast import Cast
    from ..material.gallery import Gallery

DRAWN, CODED = "drawn", "through the VAE"
ANS, INDEPENDENT = "generated with ANS", "clips sampled independently"
SYNCHRONOUS = "the other checkpoint, clips sampled independently"
_SHOWN = {
    ANS: "with ANS",
    INDEPENDENT: "clips sampled\nindependently",
    SYNCHRONOUS: "the other checkpoint,\nclips sampled\nindependently",
    CODED: "drawn,\nthrough the VAE",
    DRAWN: "drawn",
}
Scores = dict[str, list[SeamScore]]

_COLUMNS = (
    "videos", "count", "clips", "latents", "inside",
    "clips / latents", "95 %", "clips / inside", "95 %", "latents / inside", "95 %",
)  # fmt: skip
_NOTE = (
    "Mean difference of neighbouring frames, in 1/255: where clips meet, where latents of a clip meet, "
    "within a latent. 1 is seamless in the ratios, which are ratios of means over videos, with 95 % "
    "intervals over videos."
)


def check_other(pipe: ReadPipeline, other: ReadPipeline) -> None:
    """Raise InputError for another checkpoint whose clips would have other places."""
    found = (other.defaults.window, other.card.resolution)
    expected = (pipe.defaults.window, pipe.card.resolution)
    if found != expected:
        raise InputError(
            f"{other.card.name} has a window of {found[0]} and the resolution {found[1]}; "
            f"to compare it with {pipe.card.name} it must have {expected[0]} and {expected[1]}"
        )


def add_seams(
    report: Report,
    cast: Cast,
    galleries: Sequence[Gallery],
    picture: Path | None = None,
    other: ReadPipeline | None = None,
) -> None:
    """Jumps between clips, lips and faces with the asynchronous scheduler and without it.

    Args:
        report: gets the tables.
        cast: its first videos, one for each gallery, are sampled again without the scheduler.
        galleries: other faces for each of these videos.
        picture: ``*.png`` for the mean maps around the boundaries; None: none.
        other: a checkpoint trained with synchronous noise, whose clips stand beside the others.

    Raises:
        InputError: ``other`` has another window or resolution.
    """
    if other is not None:
        check_other(cast.studio.pipe, other)
    studio = None if other is None else Studio(other)
    window = cast.studio.pipe.defaults.window
    everywhere: Scores = {}
    still: Scores = {}
    maps: dict[str, list[Tensor]] = {}
    marks: dict[str, list[Marks]] = {}
    for index, gallery in enumerate(tqdm(galleries, desc="clips without ANS", leave=False)):
        sample = cast.samples[index]
        made = _made(cast, index, studio)
        for name, video in made.items():
            marks.setdefault(name, []).append(mark(video, sample, gallery, window))
        videos = {DRAWN: sample.frames, CODED: cast.studio.reconstructed(sample.frames)}
        videos |= {name: video.frames for name, video in made.items()}
        boundaries = clip_starts(latents_of_frames(len(sample.pixels)), window)
        _score(videos, boundaries, everywhere, still)
        for name, frames in videos.items():
            maps.setdefault(name, []).extend(difference_maps(frames, last) for last in boundaries)
    if picture is not None:
        rows = [(label, maps[name]) for name, label in _SHOWN.items() if name in maps]
        report.facts[f"white in {picture.name} (1/255)"] = save_heatmaps(rows, picture)
    _add_jumps(report, everywhere, still)
    _add_comparison(report, everywhere, still)
    add_variants(report, marks)


def _made(cast: Cast, index: int, other: Studio | None) -> dict[str, Video]:
    sample = cast.samples[index]
    made = {ANS: cast.videos[index], INDEPENDENT: cast.studio.independent(sample, cast.settings)}
    if other is not None:
        made[SYNCHRONOUS] = other.independent(sample, cast.settings)
    return made


def _score(videos: dict[str, Tensor], boundaries: list[int], everywhere: Scores, still: Scores) -> None:
    background = still_pixels(videos[DRAWN])
    for name, frames in videos.items():
        everywhere.setdefault(name, []).append(score_seams(frames, boundaries))
        still.setdefault(name, [])
        if bool(background.any()):
            still[name].append(score_seams(frames, boundaries, background))


def _add_jumps(report: Report, everywhere: Scores, still: Scores) -> None:
    report.add("Seams", _COLUMNS, [(name, *_row(own)) for name, own in everywhere.items()], _NOTE)
    report.add(
        "Seams in the still background",
        (*_COLUMNS, f"inside / inside {CODED}", "95 %"),
        [
            (name, *_row(own), *_cells(ratio_of_means(_all(own, "inside"), _all(still[CODED], "inside"))))
            for name, own in still.items()
        ],
        f"{_NOTE} The drawn background does not change at all, so the last ratio compares with what the VAE "
        "alone makes of it: above 1 is what generation adds.",
    )


def _add_comparison(report: Report, everywhere: Scores, still: Scores) -> None:
    report.add(
        "Seams with ANS against those without",
        ("ANS / other", "where", "videos", "jump between clips", "95 %", "clips / inside", "95 % of it"),
        [
            (name, where, len(scores[ANS]), *_against(scores[ANS], scores[name]))
            for name in (INDEPENDENT, SYNCHRONOUS)
            for where, scores in (("everywhere", everywhere), ("still background", still))
            if name in scores
        ],
        "The figure with ANS divided by that without, of the same faces, speech and places of the clips, "
        "with 95 % intervals over videos: the quotients of the rows above. Below 1 the scheduler helps, "
        "where the interval holds 1 it cannot be told.",
    )


def _row(scores: Sequence[SeamScore]) -> tuple[Cell, ...]:
    clips, latents, inside = (_all(scores, name) for name in ("clips", "latents", "inside"))
    ratios = (ratio_of_means(*pair) for pair in ((clips, latents), (clips, inside), (latents, inside)))
    means = (mean(values) for values in (clips, latents, inside))
    return (len(scores), *means, *(cell for ratio in ratios for cell in _cells(ratio)))


def _against(ours: Sequence[SeamScore], theirs: Sequence[SeamScore]) -> tuple[Cell, ...]:
    our_clips, their_clips = _all(ours, "clips"), _all(theirs, "clips")
    jump = ratio_of_means(our_clips, their_clips)
    seam = ratio_of_ratios(our_clips, _all(ours, "inside"), their_clips, _all(theirs, "inside"))
    return *_cells(jump), *_cells(seam)


def _all(scores: Sequence[SeamScore], name: str) -> list[float]:
    return [getattr(score, name) for score in scores]


def _cells(estimate: Estimate) -> tuple[float, str]:
    return estimate.value, estimate.interval
