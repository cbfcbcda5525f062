"""The tables and the picture of seams: with and without the asynchronous scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...geometry import latents_of_frames
from ..figures import INTERVAL, column, mean, part
from ..metrics.intervals import Estimate, ratio_of_means, ratio_of_ratios
from ..metrics.seams import SeamScore, clip_starts, score_seams, still_pixels
from ..pictures.heatmap import difference_maps, save_heatmaps
from .variants import Marks, add_variants, mark

if TYPE_CHECKING:
    from torch import Tensor

    from ..material.gallery import Gallery
    from ..material.sample_set import SampleSet
    from ..material.videos import Video
    from .report import Report

DRAWN, CODED = "drawn", "through the VAE"
ANS, INDEPENDENT = "generated with ANS", "clips sampled independently"
_SHOWN = {
    ANS: "with ANS",
    INDEPENDENT: "clips sampled\nindependently",
    CODED: "drawn,\nthrough the VAE",
    DRAWN: "drawn",
}
Scores = dict[str, list[SeamScore]]

_NOTE = (
    "Mean difference of neighboring frames, in 1/255: where clips meet, where latents of a clip meet, "
    "within a latent. 1 is seamless in the ratios, which are ratios of means over videos, with 95 % "
    "intervals over videos."
)


@dataclass(frozen=True)
class SeamFigures:
    """Jumps in several videos.

    Attributes:
        videos: how many there are.
        jumps: means over videos.
        clips_by_latents, clips_by_inside, latents_by_inside: ratios of these means.
    """

    videos: int = column("count")
    jumps: SeamScore = part(SeamScore)
    clips_by_latents: Estimate = column("clips / latents", INTERVAL)
    clips_by_inside: Estimate = column("clips / inside", INTERVAL)
    latents_by_inside: Estimate = column("latents / inside", INTERVAL)


@dataclass(frozen=True)
class StillFigures:
    """Jumps in the still background.

    Attributes:
        seams: as everywhere.
        inside_by_coded: flicker within latents by that of the drawn videos through the VAE.
    """

    seams: SeamFigures = part(SeamFigures)
    inside_by_coded: Estimate = column(f"inside / inside {CODED}", INTERVAL)


@dataclass(frozen=True)
class AgainstFigures:
    """Jumps with the asynchronous scheduler by those of the same videos made without it.

    Attributes:
        where: which pixels are compared.
        videos: how many there are.
        clips: jump between clips.
        clips_by_inside: the ratio of the two ratios.
    """

    where: str = column("where")
    videos: int = column("videos")
    clips: Estimate = column("jump between clips", INTERVAL)
    clips_by_inside: Estimate = column("clips / inside", f"{INTERVAL} of it")


@dataclass(frozen=True)
class AnsSeams:
    """The seams of the videos that are generated with the scheduler, everywhere and in the background."""

    everywhere: SeamFigures
    background: StillFigures


def add_seams(
    report: Report,
    sample_set: SampleSet,
    galleries: Sequence[Gallery],
    picture: Path | None = None,
) -> AnsSeams:
    """Jumps between clips, lips and faces with the asynchronous scheduler and without it.

    Args:
        report: gets the tables.
        cast: its first videos, one for each gallery, are sampled again without the scheduler.
        galleries: other faces for each of these videos.
        picture: ``*.png`` for the mean maps around the boundaries; None: none.

    Returns:
        The figures with the scheduler.
    """
    window = sample_set.generator.pipe.defaults.window
    everywhere: Scores = {}
    still: Scores = {}
    maps: dict[str, list[Tensor]] = {}
    marks: dict[str, list[Marks]] = {}
    for index, gallery in enumerate(tqdm(galleries, desc="clips without ANS", leave=False)):
        sample = sample_set.samples[index]
        made = _made(sample_set, index)
        for name, video in made.items():
            marks.setdefault(name, []).append(mark(video, sample, gallery, window))
        videos = {DRAWN: sample.frames, CODED: sample_set.generator.reconstructed(sample.frames)}
        videos |= {name: video.frames for name, video in made.items()}
        boundaries = clip_starts(latents_of_frames(len(sample.pixels)), window)
        _score(videos, boundaries, everywhere, still)
        for name, frames in videos.items():
            maps.setdefault(name, []).extend(difference_maps(frames, last) for last in boundaries)
    if picture is not None:
        rows = [(label, maps[name]) for name, label in _SHOWN.items() if name in maps]
        report.metadata[f"white in {picture.name} (1/255)"] = save_heatmaps(rows, picture)
    found = _add_jumps(report, everywhere, still)
    _add_comparison(report, everywhere, still)
    add_variants(report, marks)
    return found


def _made(sample_set: SampleSet, index: int) -> dict[str, Video]:
    sample = sample_set.samples[index]
    return {
        ANS: sample_set.videos[index],
        INDEPENDENT: sample_set.generator.independent(sample, sample_set.settings),
    }


def _score(videos: dict[str, Tensor], boundaries: list[int], everywhere: Scores, still: Scores) -> None:
    background = still_pixels(videos[DRAWN])
    for name, frames in videos.items():
        everywhere.setdefault(name, []).append(score_seams(frames, boundaries))
        still.setdefault(name, [])
        if bool(background.any()):
            still[name].append(score_seams(frames, boundaries, background))


def _add_jumps(report: Report, everywhere: Scores, still: Scores) -> AnsSeams:
    """The tables of jumps; the figures of the videos that are generated with the scheduler."""
    whole = {name: seam_figures(own) for name, own in everywhere.items()}
    background = {
        name: StillFigures(
            seam_figures(own),
            ratio_of_means([score.inside for score in own], [score.inside for score in still[CODED]]),
        )
        for name, own in still.items()
    }
    report.add_figures("Seams", "videos", SeamFigures, list(whole.items()), _NOTE)
    report.add_figures(
        "Seams in the still background",
        "videos",
        StillFigures,
        list(background.items()),
        f"{_NOTE} The drawn background does not change at all, so the last ratio compares with what the VAE "
        "alone makes of it: above 1 is what generation adds.",
    )
    return AnsSeams(whole[ANS], background[ANS])


def _add_comparison(report: Report, everywhere: Scores, still: Scores) -> None:
    report.add_figures(
        "Seams with ANS against those without",
        "ANS / other",
        AgainstFigures,
        [
            (INDEPENDENT, _ratio_figures(where, scores[ANS], scores[INDEPENDENT]))
            for where, scores in (("everywhere", everywhere), ("still background", still))
        ],
        "The figure with ANS divided by that without, of the same faces, speech and places of the clips, "
        "with 95 % intervals over videos: the quotients of the rows above. Below 1 the scheduler helps, "
        "where the interval holds 1 it cannot be told.",
    )


def seam_figures(scores: Sequence[SeamScore]) -> SeamFigures:
    """The figures of several videos; of none they are NaN."""
    clips, latents, inside = _columns(scores)
    return SeamFigures(
        videos=len(scores),
        jumps=SeamScore(mean(clips), mean(latents), mean(inside)),
        clips_by_latents=ratio_of_means(clips, latents),
        clips_by_inside=ratio_of_means(clips, inside),
        latents_by_inside=ratio_of_means(latents, inside),
    )


def _ratio_figures(where: str, ours: Sequence[SeamScore], theirs: Sequence[SeamScore]) -> AgainstFigures:
    our_clips, _, our_inside = _columns(ours)
    their_clips, _, their_inside = _columns(theirs)
    return AgainstFigures(
        where=where,
        videos=len(ours),
        clips=ratio_of_means(our_clips, their_clips),
        clips_by_inside=ratio_of_ratios(our_clips, our_inside, their_clips, their_inside),
    )


def _columns(scores: Sequence[SeamScore]) -> tuple[list[float], list[float], list[float]]:
    return (
        [score.clips for score in scores],
        [score.latents for score in scores],
        [score.inside for score in scores],
    )
