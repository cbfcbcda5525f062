"""Write videos for a landmark reader of another package, and compare its readings with this project's.

    python scripts/outside_frames.py write FOLDER --faces PORTRAITS [--checkpoint FOLDER] [--count 12]
    python scripts/outside_read.py FOLDER        # in an environment with mediapipe 0.10.14
    python scripts/outside_frames.py compare FOLDER

The videos are talking photographs, as rendered, after the VAE and the detail step, and as generated. With a
checkpoint of aligned faces, photographs of real people that packages ship are added. ``compare`` writes its
tables as ``outside.txt``, ``.md``, ``.csv`` and ``.json``. FOLDER shows single portraits: do not publish it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from read_core.bundled import BUNDLED
from read_core.errors import InputError, ReadError
from read_core.evaluation.figures import column, mean_figures, part
from read_core.evaluation.material.samples import speakers_here
from read_core.evaluation.material.talks import FINE, TalkSource
from read_core.evaluation.material.videos import VideoGenerator
from read_core.evaluation.metrics.face import read_placed
from read_core.evaluation.metrics.seams import whole_clips
from read_core.evaluation.metrics.span import opening_span
from read_core.evaluation.metrics.sync import correlation
from read_core.evaluation.suites.real import animate, real_photographs
from read_core.evaluation.tables.aims import Aim, AimFigures
from read_core.evaluation.tables.report import Report
from read_core.pipeline import ReadPipeline
from read_core.records import SamplingSettings

NEAR = 0.05
"""Largest allowed difference of both readings' correlations."""
MOST_LOST = 0.05  # largest share of frames in which the other reader finds no face
RENDERED, CODED, GENERATED, REAL = "rendered", "coded", "generated", "real"
_NOTE = (
    "r: correlation of the opening with the true track. Range: 5th to 95th percentile of the opening, "
    "divided by that of the talk as rendered, both read by the other package. No face: share of frames in "
    "which that finds none. Agree: both r within 0.05 of each other."
)


@dataclass(frozen=True)
class Compared:
    """Correlations of one video, or means of several.

    Attributes:
        ours, theirs: correlation of each reading with the true track.
        both: correlation of the readings with each other.
        lost: share of frames in which the other reader finds no face.
        span: range of the opening by that of the rendered talk, both read by the other reader; NaN: there is
            no such talk.
    """

    ours: float = column("our r")
    theirs: float = column("their r")
    both: float = column("ours with theirs")
    lost: float = column("no face")
    span: float = column("their range")

    @property
    def agree(self) -> bool:
        """Whether both readings agree; with NaN they do not."""
        return abs(self.ours - self.theirs) <= NEAR and self.lost <= MOST_LOST


@dataclass(frozen=True)
class Row:
    """A row of the table of videos."""

    figures: Compared = part(Compared)
    agree: str = column("agree")


def compare(ours: Tensor, theirs: Tensor, track: Tensor, rendered: Tensor | None = None) -> Compared:
    """Compare openings of both readers and the true one, (F,) each, without NaN frames of ``theirs``.

    ``rendered`` is the other reader's of the talk as rendered; None: there is none.

    Raises:
        InputError: the lengths differ.
    """
    if not len(ours) == len(theirs) == len(track):
        raise InputError(
            f"tracks of {len(ours)}, {len(theirs)} and {len(track)} frames; read the folder again"
        )
    seen = ~theirs.isnan()
    pairs = (ours, track), (theirs, track), (ours, theirs)
    fits = [correlation(a[seen], b[seen]) if bool(seen.any()) else float("nan") for a, b in pairs]
    span = _span(theirs) / _span(rendered) if rendered is not None else float("nan")
    return Compared(fits[0], fits[1], fits[2], float((~seen).float().mean()), span)


def _span(opening: Tensor) -> float:
    seen = opening[~opening.isnan()]
    return opening_span(seen) if len(seen) else float("nan")


def compare_folder(folder: Path) -> dict[str, Compared]:
    """Compare all videos of a folder; results by name.

    Raises:
        InputError: the folder has no readings.
    """
    found = {}
    for outside in sorted(folder.glob("*.outside.npy")):
        name = outside.name.removesuffix(".outside.npy")
        video = np.load(folder / f"{name}.npz")
        kind, _, talk = name.partition("-")
        drawn = folder / f"{RENDERED}-{talk}.outside.npy"
        rendered = torch.from_numpy(np.load(drawn)) if drawn.is_file() and kind != RENDERED else None
        ours, track = (torch.from_numpy(video[key]) for key in ("opening", "track"))
        found[name] = compare(ours, torch.from_numpy(np.load(outside)), track, rendered)
    if not found:
        raise InputError(f"{folder} holds no *.outside.npy; run scripts/outside_read.py on it first")
    return found


def videos(
    pipe: ReadPipeline, faces: Path | None, count: int, seed: int, split: str
) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
    """Name, frames (F, H, W, 3), 0..1, opening as read and true opening (F,) of each video."""
    frames, speakers = whole_clips(1, pipe.defaults.window), speakers_here()
    for name, picture in real_photographs().items() if pipe.card.face is not None else ():
        video = animate(pipe, name, picture, frames, speakers[0], seed, FINE)
        opening = read_placed(video.frames, video.points).mouth[:, 0]
        yield f"{REAL}-{name.replace(' ', '-')}", video.frames, opening, video.utterance.mouth[:, 0]
    if faces is None:
        return
    source = TalkSource(split, frames, pipe.card.resolution, pipe.card.face, speakers)
    for talk in map(source.draw, source.photographs(faces, count)):
        generator = VideoGenerator(pipe)
        made = {
            RENDERED: talk.frames,
            CODED: generator.coded(talk, frames),
            GENERATED: generator.finished(talk, SamplingSettings(seed=seed)),
        }
        for kind, shown in made.items():
            yield f"{kind}-{talk.name}", shown, read_placed(shown, talk.points).mouth[:, 0], talk.mouth[:, 0]


def write(folder: Path, checkpoint: Path, faces: Path | None, count: int, seed: int, split: str) -> None:
    """Write NAME.npz for each video: frames (F, H, W, 3) uint8, opening (F,) and track (F,)."""
    folder.mkdir(parents=True, exist_ok=True)
    pipe = ReadPipeline.from_pretrained(checkpoint)
    for name, frames, opening, track in videos(pipe, faces, count, seed, split):
        pixels = (frames.clamp(0, 1) * 255).round().byte().numpy()
        np.savez(folder / f"{name}.npz", frames=pixels, opening=opening.numpy(), track=track.numpy())
        print(name)


def main(arguments: list[str] | None = None) -> int:
    """Write or compare; return exit status 1 if the readings differ, 2 if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("write", "compare"))
    parser.add_argument("folder", type=Path, help="for the videos and readings")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED, help="folder of the checkpoint")
    parser.add_argument("--faces", type=Path, help="folder of portraits; without it real photographs alone")
    parser.add_argument("--count", type=int, default=12, help="photographs at most; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="of the photographs")
    args = parser.parse_args(arguments)
    try:
        if args.command == "write":
            write(args.folder, args.checkpoint, args.faces, args.count, args.seed, args.split)
            return 0
        found = compare_folder(args.folder)
    except ReadError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    report, agree = report_of(found)
    report.write(args.folder, "outside")
    print(report.text())
    return 0 if agree else 1


def report_of(found: dict[str, Compared]) -> tuple[Report, bool]:
    """Tables of aims, of each kind's mean and of all videos; whether the readers agree in every mean."""
    kinds: dict[str, list[Compared]] = {}
    for name, figures in found.items():
        kinds.setdefault(name.partition("-")[0], []).append(figures)
    means = {kind: mean_figures(figures) for kind, figures in kinds.items()}
    report = Report("Mouths as another package reads them", {"videos": len(found)})
    aims = [(aim.what, aim.row) for aim in aims_of(means, kinds)]
    report.add_figures("Aims", "aim", AimFigures, aims)
    named = {f"{kind}, mean of {len(kinds[kind])}": figures for kind, figures in means.items()}
    for title, rows in (("Means", named), ("Videos", found)):
        cells = [(name, Row(figures, "yes" if figures.agree else "**no**")) for name, figures in rows.items()]
        report.add_figures(title, "videos", Row, cells, _NOTE)
    return report, all(figures.agree for figures in means.values())


def aims_of(means: dict[str, Compared], kinds: dict[str, list[Compared]]) -> list[Aim]:
    """What is asked of each kind that was read."""
    aims = []
    if CODED in means:
        aims += [
            Aim("after the codec: the mouth opens with the speech (their r)", means[CODED].theirs, least=0.9),
            Aim("after the codec: it opens as wide (their range)", means[CODED].span, least=0.8),
        ]
    if GENERATED in means:
        apart = means[GENERATED].theirs - means[GENERATED].ours
        aims.append(Aim("generated: the readers' mean r apart", apart, most=NEAR))
    if REAL in means:
        least = min(figures.theirs for figures in kinds[REAL])
        aims.append(Aim("real photographs: every mouth opens with the speech (their r)", least, least=0.7))
    return aims


if __name__ == "__main__":
    sys.exit(main())
