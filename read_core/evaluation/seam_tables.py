"""The tables of seams: the asynchronous scheduler beside clips without it, and the picture of a boundary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ..errors import InputError
from ..geometry import latents_of_frames
from .bootstrap import ratio_of_means
from .heatmap import save_heatmaps
from .report import Cell, Report, mean
from .seams import SeamScore, clip_starts, score_seams, still_pixels
from .videos import Studio

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import ReadPipeline
    from .cast import Cast

DRAWN, CODED = "drawn", "through the VAE"
ANS, INDEPENDENT = "generated with ANS", "clips sampled independently"
SYNCHRONOUS = "the other checkpoint, clips sampled independently"
_SHOWN = {
    ANS: "with ANS",
    INDEPENDENT: "clips sampled\nindependently",
    SYNCHRONOUS: "the other checkpoint,\nclips sampled\nindependently",
    DRAWN: "drawn",
}
Scores = dict[str, list[SeamScore]]

_NOTE = (
    "Mean difference of neighbouring frames, in 1/255: where clips meet, where latents of a clip meet, "
    "within a latent. 1 is seamless in the ratios, which are ratios of means over videos, with 95 % "
    "bootstrap intervals over videos."
)


def check_other(pipe: ReadPipeline, other: ReadPipeline) -> None:
    """Refuse, with an InputError, another checkpoint whose clips would lie elsewhere."""
    found = (other.defaults.window, other.card.resolution)
    expected = (pipe.defaults.window, pipe.card.resolution)
    if found != expected:
        raise InputError(
            f"{other.card.name} has a window of {found[0]} and the resolution {found[1]}; "
            f"to compare it with {pipe.card.name} it must have {expected[0]} and {expected[1]}"
        )


def add_seams(
    report: Report, cast: Cast, count: int, picture: Path | None = None, other: ReadPipeline | None = None
) -> None:
    """Jumps between clips with the asynchronous scheduler, without it, and in drawn videos.

    Args:
        report: gets the tables.
        cast: its first ``count`` videos are sampled again without the scheduler.
        count: videos.
        picture: ``*.png`` for the maps of the first video's first boundary; None: none.
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
    for index in tqdm(range(min(count, len(cast.samples))), desc="clips without ANS", leave=False):
        videos = _kinds(cast, index, studio)
        background = still_pixels(videos[DRAWN])
        boundaries = clip_starts(latents_of_frames(len(videos[DRAWN])), window)
        for name, frames in videos.items():
            everywhere.setdefault(name, []).append(score_seams(frames, boundaries))
            still.setdefault(name, [])
            if bool(background.any()):
                still[name].append(score_seams(frames, boundaries, background))
        if index == 0 and picture is not None:
            rows = [(label, videos[name]) for name, label in _SHOWN.items() if name in videos]
            report.facts[f"white in {picture.name} (1/255)"] = save_heatmaps(rows, boundaries[0], picture)
    seed = cast.setting.seed
    for title, scores in (("Seams", everywhere), ("Seams in the still background", still)):
        report.add(
            title,
            ("videos", "count", "clips", "latents", "inside", "clips / latents", "clips / inside", "95 %"),
            [(name, len(own), *_row(own, seed)) for name, own in scores.items()],
            _NOTE,
        )
    report.add(
        "Seams with ANS against those without",
        ("ANS / other", "where", "videos", "jump between clips", "95 %", "clips / inside", "95 % of it"),
        [
            (name, where, len(scores[ANS]), *_against(scores[ANS], scores[name], seed))
            for name in (INDEPENDENT, SYNCHRONOUS)
            for where, scores in (("everywhere", everywhere), ("still background", still))
            if name in scores
        ],
        "The figure with ANS divided by that without, of the same faces, speech and places of the clips, "
        "with 95 % bootstrap intervals over videos; below 1 the scheduler helps, where the interval holds 1 "
        "it cannot be told.",
    )


def _kinds(cast: Cast, index: int, other: Studio | None) -> dict[str, Tensor]:
    sample = cast.samples[index]
    videos = {
        DRAWN: sample.frames,
        CODED: cast.studio.reconstructed(sample.frames),
        ANS: cast.videos[index].frames,
        INDEPENDENT: cast.studio.independent(sample, cast.setting).frames,
    }
    if other is not None:
        videos[SYNCHRONOUS] = other.independent(sample, cast.setting).frames
    return videos


def _row(scores: Sequence[SeamScore], seed: int) -> tuple[Cell, ...]:
    clips, latents, inside = ([getattr(s, name) for s in scores] for name in ("clips", "latents", "inside"))
    seam = ratio_of_means(clips, inside, seed)
    return (
        mean(clips),
        mean(latents),
        mean(inside),
        ratio_of_means(clips, latents, seed).value,
        seam.value,
        seam.interval,
    )


def _against(ours: Sequence[SeamScore], theirs: Sequence[SeamScore], seed: int) -> tuple[Cell, ...]:
    jump = ratio_of_means([s.clips for s in ours], [s.clips for s in theirs], seed)
    seam = ratio_of_means([s.clips_over_inside for s in ours], [s.clips_over_inside for s in theirs], seed)
    return jump.value, jump.interval, seam.value, seam.interval
