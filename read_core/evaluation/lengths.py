"""Whether long videos are as good as short ones, as the paper's table 3.

The same seconds of speech are said in short and in long videos. A recording of the longest length is cut into
pieces of each length, every piece becomes a video of its own that starts from the portrait, and every figure
is taken clip by clip over the frames that only that clip adds. So all lengths are measured on the same frames
of the same recordings, and differ only in how long the video has been going on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from ..geometry import FPS, FRAMES_PER_LATENT
from .bootstrap import ratio_of_means
from .drift import measure_drift
from .facts import facts_of
from .identity_tables import draw_others
from .material import Sample, draw_samples
from .pictures import COLUMNS, save_rows, spread
from .report import Report, make_folder, mean
from .seams import flicker, score_seams, still_pixels, whole_clips
from .sync import correlation
from .videos import Setting, Studio, Video

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import ReadPipeline

FIGURES = (
    "open r", "width r", "round r", "flicker", "clips / inside", "likeness", "nearest is its own", "detail",
)  # fmt: skip
_SEED = 7_000
_SIDE = 96  # pixels
_NOTE = (
    "Every length says the same recordings: each is cut into pieces of that length, every piece is a video "
    "that starts from the portrait, and the figures are means over the frames that each clip adds (not its "
    "first {skipped}, which it shares with the clip before or begins with). open r and so on: correlation "
    "of the measured tracks with the true ones; flicker: mean difference of neighbouring frames where the "
    "drawn background stands still, in 1/255; clips / inside: jump where clips meet by that within latents; "
    "likeness: correlation of the mean picture with the portrait; nearest is its own: share of clips more "
    "like their portrait than any of {others} other faces; detail: mean difference of neighbouring pixels by "
    "that of the drawn video."
)


@dataclass(frozen=True)
class LengthsSize:
    """How much is generated.

    Attributes:
        count: faces, half of them with flite's voices.
        clips: lengths in whole clips, rising; 1, 4 and 9 are 121, 457 and 1017 frames of windows of 16.
        gallery: other faces that a face could be taken for.
    """

    count: int = 6
    clips: tuple[int, ...] = (1, 4, 9)
    gallery: int = 200


QUICK = LengthsSize(count=1, clips=(1, 2, 3), gallery=12)


def run_lengths(pipe: ReadPipeline, size: LengthsSize, out: Path, seed: int = 0) -> Report:
    """Compare videos of several lengths on the test split; write report and contact sheet into ``out``.

    Raises:
        SynthesiserError: espeak-ng is not installed (flite is left out with a warning).
        MediaError: ``out`` cannot be written.
    """
    make_folder(out)
    window = pipe.defaults.window
    frames = [whole_clips(clips, window) for clips in size.clips]
    studio, setting = Studio(pipe), Setting(seed=seed)
    gallery = draw_others(size.gallery, pipe.card.resolution)
    samples = draw_samples("test", size.count, frames[-1], pipe.card.resolution, first_seed=_SEED)
    figures: list[list[dict[str, float]]] = [[] for _ in size.clips]  # of each length, of each face
    sheet = []
    for face, sample in enumerate(tqdm(samples, desc="faces", leave=False)):
        still = still_pixels(sample.frames)
        for place, clips in enumerate(size.clips):
            found: list[dict[str, float]] = []
            for seen, piece in pieces(sample, clips, size.clips[-1], window):
                video = studio.asynchronous(piece, setting)
                for own in own_frames(clips, window)[seen:]:
                    found.append(_figures(piece, video, own, still, gallery))
            figures[place].append({name: mean(each[name] for each in found) for name in FIGURES})
            if face == 0:
                sheet.append((f"{frames[place]} frames", spread(video.frames, COLUMNS)))
    report = Report(
        f"{pipe.card.name}: videos of {', '.join(map(str, frames))} frames",
        facts_of(pipe, seed, size),
    )
    report.add(
        "Lengths",
        ("frames", "seconds", "videos", *FIGURES),
        [
            (count, count / FPS, len(own), *(mean(face[name] for face in own) for name in FIGURES))
            for count, own in zip(frames, figures, strict=True)
        ],
        _NOTE.format(skipped=FRAMES_PER_LATENT + 1, others=size.gallery),
    )
    report.add(
        "Each figure by that of the first length",
        ("frames", *FIGURES),
        [
            (count, *(_against_first(figures, place, name, seed) for name in FIGURES))
            for place, count in enumerate(frames)
            if place
        ],
        "1 is as good or as bad as the shortest; in brackets the 95 % bootstrap interval over faces. A "
        "single clip has no seam, so seams are compared with those of the shortest length that has one.",
    )
    report.write(out, "lengths")
    save_rows(sheet, out / "lengths.png", _SIDE)
    return report


def pieces(sample: Sample, clips: int, total: int, window: int) -> Iterator[tuple[int, Sample]]:
    """Cut a sample of ``total`` clips into samples of ``clips``: (clips of it already seen, piece).

    All begin with the sample's portrait. The last one ends where the sample does; what it repeats of the one
    before is "already seen".
    """
    added = whole_clips(2, window) - whole_clips(1, window)
    for start in range(0, total, clips):
        first = min(start, total - clips)
        piece = sample.cut(whole_clips(clips, window), first * added)
        yield start - first, replace(piece, pixels=torch.cat([sample.pixels[:1], piece.pixels[1:]]))


def own_frames(clips: int, window: int) -> list[slice]:
    """The frames that each clip adds: those of its latents but the first."""
    added = whole_clips(2, window) - whole_clips(1, window)
    skipped = whole_clips(1, window) - added
    return [slice(skipped + clip * added, skipped + (clip + 1) * added) for clip in range(clips)]


def detail(frames: Tensor) -> float:
    """Mean absolute difference of neighbouring pixels of (F, H, W, 3): it falls when pictures blur."""
    across, down = frames.diff(dim=2).abs().mean(), frames.diff(dim=1).abs().mean()
    return float(across + down) / 2


def _figures(piece: Sample, video: Video, own: slice, still: Tensor, gallery: Tensor) -> dict[str, float]:
    frames, drawn = video.frames[own], piece.pixels[own].float() / 255
    drift = measure_drift([frames], piece.portrait, gallery)
    length = own.stop - own.start
    before = own.start - 1 - length  # as many frames of the clip before
    seam = None if before < 0 else score_seams(video.frames[before : own.stop], [length])
    tracks = (correlation(video.mouth[own, i], piece.mouth[own, i]) for i in range(3))
    return dict(
        zip(
            FIGURES,
            (
                *tracks,
                flicker(frames, still),
                float("nan") if seam is None else seam.clips_over_inside,
                drift.likeness[0],
                float(drift.recognised[0]),
                detail(frames) / detail(drawn),
            ),
            strict=True,
        )
    )


def _against_first(figures: Sequence[Sequence[dict[str, float]]], place: int, name: str, seed: int) -> str:
    """As "0.98 (0.95 to 1.02)": of the length at ``place`` by the first that has the figure."""
    values = [[face[name] for face in own] for own in figures]
    base = next((own for own in values[:place] if not all(map(math.isnan, own))), None)
    return "-" if base is None else str(ratio_of_means(values[place], base, seed))
