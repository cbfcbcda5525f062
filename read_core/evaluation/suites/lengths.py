"""Compare long and short videos, like the paper's table 3.

Short and long videos say the same seconds of speech. A recording of the longest length is cut into pieces of
each length, and every piece becomes a separate video that starts from the portrait. Figures are taken clip by
clip over the frames that only that clip adds. So all lengths are measured on the same frames of the same
recordings, and differ only in how long the video has been running.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from ...geometry import FPS, FRAMES_PER_LATENT
from ...records import SamplingSettings
from ..material.gallery import draw_gallery
from ..material.samples import Sample, draw_samples
from ..material.videos import VideoGenerator
from ..metrics.seams import still_pixels, whole_clips
from ..metrics.sync import opening_range
from ..pictures.rows import COLUMNS, save_rows, spread
from ..tables.lengths import (
    LIPS,
    PICTURES,
    ClipFigures,
    FaceFigures,
    Truth,
    against_first,
    of_clip,
    of_face,
)
from ..tables.metadata import report_metadata
from ..tables.report import Report, make_folder

if TYPE_CHECKING:
    from ...pipeline import ReadPipeline

_SEED = 7_000
_SIDE = 96  # pixels
_NOTE = (
    "Every length says the same recordings: each is cut into pieces of that length, every piece is a video "
    "that starts from the portrait, and the figures are taken over the frames that each clip adds (not its "
    "first {skipped}, which it shares with the clip before or begins with)."
)
_LIPS_NOTE = (
    "open r and so on: correlation of the measured tracks with the true ones, mean over clips; best lag: of "
    "all clips of a face, in frames of 40 ms, mean over faces; p b m shut, silence shut: as in the suite "
    "tiny, every case counted alike."
)
_PICTURES_NOTE = (
    "Flicker: mean difference of neighbouring frames where the drawn background stands still, in 1/255; "
    "clips / inside, latents / inside: jumps where clips or latents meet by those within latents, ratios of "
    "means over faces; nearest is its own: share of clips whose mean picture around the head is nearer to "
    "their portrait than to any of {others} other faces in the same scene; own distance: from the portrait "
    "there, in 1/255; likeness: correlation with it; face, border: distance of the mean colours of the "
    "picture's middle and border from the portrait's, in 1/255; detail: mean difference of neighbouring "
    "pixels by that of the drawn video."
)
_AGAINST_NOTE = (
    "Ratios: 1 is as good or as bad as the shortest, differences: 0 is; in brackets the 95 % interval over "
    "faces. A single clip has no seam, so seams are compared with those of the shortest length that has one."
)


@dataclass(frozen=True)
class LengthsSize:
    """How much is generated.

    Attributes:
        count: faces, half of them with flite's voices.
        clips: lengths in whole clips, rising; 1, 4 and 9 are 121, 457 and 1017 frames of windows of 16.
        gallery: other faces that a face could be taken for.
    """

    count: int = 8
    clips: tuple[int, ...] = (1, 4, 9)
    gallery: int = 200


QUICK = LengthsSize(count=1, clips=(1, 2, 3), gallery=12)


def run_lengths(pipe: ReadPipeline, size: LengthsSize, out: Path, seed: int = 0) -> Report:
    """Compare videos of several lengths on the test split; write report and contact sheet into ``out``.

    Raises:
        SynthesizerError: espeak-ng is not installed (flite is left out with a warning).
        MediaError: ``out`` cannot be written.
    """
    make_folder(out)
    window = pipe.defaults.window
    frames = [whole_clips(clips, window) for clips in size.clips]
    generator, settings = VideoGenerator(pipe), SamplingSettings(seed=seed)
    card = pipe.card
    samples = draw_samples(
        "test", size.count, frames[-1], card.resolution, first_seed=_SEED, layout=card.face
    )
    figures: list[list[FaceFigures]] = [[] for _ in size.clips]  # videos per length and face
    sheet = []
    for face, sample in enumerate(tqdm(samples, desc="faces", leave=False)):
        drawn = sample.frames
        speaker = opening_range(generator.mouth(drawn)[:, 0])
        truth = Truth(still_pixels(drawn), draw_gallery(sample, size.gallery), speaker)
        for place, clips in enumerate(size.clips):
            found: list[ClipFigures] = []
            for seen, piece in pieces(sample, clips, size.clips[-1], window):
                video = generator.asynchronous(piece, settings)
                found += [of_clip(piece, video, own, truth) for own in own_frames(clips, window)[seen:]]
            figures[place].append(of_face(found))
            if face == 0:
                sheet.append((f"{frames[place]} frames", spread(video.frames, COLUMNS)))
    report = Report(
        f"{pipe.card.name}: videos of {', '.join(map(str, frames))} frames",
        report_metadata(pipe, seed, size),
    )
    notes = (_LIPS_NOTE, _PICTURES_NOTE.format(others=size.gallery))
    for theme, columns, note in zip(("lips", "pictures"), (LIPS, PICTURES), notes, strict=True):
        report.add(
            f"Lengths: {theme}",
            ("frames", "seconds", "faces", *(column.title for column in columns)),
            [
                (count, count / FPS, len(faces), *(column.value(faces) for column in columns))
                for count, faces in zip(frames, figures, strict=True)
            ],
            f"{_NOTE.format(skipped=FRAMES_PER_LATENT + 1)} {note}",
        )
        report.add(
            f"Lengths: {theme}, against the first length",
            ("frames", *(f"{column.title} ({column.kind})" for column in columns)),
            [
                (count, *(against_first(column, figures, place) for column in columns))
                for place, count in enumerate(frames)
                if place
            ],
            _AGAINST_NOTE,
        )
    report.write(out, "lengths")
    save_rows(sheet, out / "lengths.png", _SIDE)
    return report


def pieces(sample: Sample, clips: int, total: int, window: int) -> Iterator[tuple[int, Sample]]:
    """Cut a sample of ``total`` clips into samples of ``clips``: (clips of it already seen, piece).

    All start with the sample's portrait. The last one ends with the sample; its overlap with the previous one
    is "already seen".
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
