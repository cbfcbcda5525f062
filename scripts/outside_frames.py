"""Write videos for a landmark reader of another package, and compare its readings with this project's.

    python scripts/outside_frames.py write FOLDER --faces PORTRAITS [--checkpoint FOLDER] [--count 12]
    python scripts/outside_read.py FOLDER        # in an environment with mediapipe 0.10.14
    python scripts/outside_frames.py compare FOLDER

The videos are talking photographs of the test split, as rendered and as generated. With a checkpoint of
aligned faces, photographs of real people that packages ship are added. FOLDER shows single portraits: do not
publish it.
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
from read_core.evaluation.figures import mean_figures
from read_core.evaluation.material.samples import speakers_here
from read_core.evaluation.material.talks import FINE, TalkSource
from read_core.evaluation.material.videos import VideoGenerator
from read_core.evaluation.metrics.face import read_placed
from read_core.evaluation.metrics.seams import whole_clips
from read_core.evaluation.metrics.sync import correlation
from read_core.evaluation.suites.real import animate, real_photographs
from read_core.pipeline import ReadPipeline
from read_core.records import SamplingSettings

NEAR = 0.05
"""Largest allowed difference of both readings' correlations."""
MOST_LOST = 0.05  # largest share of frames in which the other reader finds no face


@dataclass(frozen=True)
class Compared:
    """Correlations of one video, or means of several.

    Attributes:
        ours, theirs: correlation of each reading with the true track.
        both: correlation of the readings with each other.
        lost: share of frames in which the other reader finds no face.
    """

    ours: float
    theirs: float
    both: float
    lost: float

    @property
    def agree(self) -> bool:
        """Whether both readings agree; with NaN they do not."""
        return abs(self.ours - self.theirs) <= NEAR and self.lost <= MOST_LOST


def compare(ours: Tensor, theirs: Tensor, track: Tensor) -> Compared:
    """Compare openings of both readers and the true one, (F,) each, without NaN frames of ``theirs``.

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
    return Compared(fits[0], fits[1], fits[2], lost=float((~seen).float().mean()))


def compare_folder(folder: Path) -> dict[str, Compared]:
    """Compare all videos of a folder; results by name.

    Raises:
        InputError: the folder has no readings.
    """
    found = {}
    for outside in sorted(folder.glob("*.outside.npy")):
        name = outside.name.removesuffix(".outside.npy")
        video = np.load(folder / f"{name}.npz")
        tracks = (video["opening"], np.load(outside), video["track"])
        found[name] = compare(*(torch.from_numpy(track) for track in tracks))
    if not found:
        raise InputError(f"{folder} holds no *.outside.npy; run scripts/outside_read.py on it first")
    return found


def videos(
    pipe: ReadPipeline, faces: Path | None, count: int, seed: int
) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
    """Name, frames (F, H, W, 3), 0..1, opening as read and true opening (F,) of each video."""
    frames, speakers = whole_clips(1, pipe.defaults.window), speakers_here()
    for name, picture in real_photographs().items() if pipe.card.face is not None else ():
        video = animate(pipe, name, picture, frames, speakers[0], seed, FINE)
        opening = read_placed(video.frames, video.points).mouth[:, 0]
        yield f"real-{name.replace(' ', '-')}", video.frames, opening, video.utterance.mouth[:, 0]
    if faces is None:
        return
    source = TalkSource("test", frames, pipe.card.resolution, pipe.card.face, speakers)
    for talk in map(source.draw, source.photographs(faces, count)):
        made = VideoGenerator(pipe).finished(talk, SamplingSettings(seed=seed))
        for kind, shown in (("rendered", talk.frames), ("generated", made)):
            yield f"{kind}-{talk.name}", shown, read_placed(shown, talk.points).mouth[:, 0], talk.mouth[:, 0]


def write(folder: Path, checkpoint: Path, faces: Path | None, count: int, seed: int) -> None:
    """Write NAME.npz for each video: frames (F, H, W, 3) uint8, opening (F,) and track (F,)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frames, opening, track in videos(ReadPipeline.from_pretrained(checkpoint), faces, count, seed):
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
    args = parser.parse_args(arguments)
    try:
        if args.command == "write":
            write(args.folder, args.checkpoint, args.faces, args.count, args.seed)
            return 0
        found = compare_folder(args.folder)
    except ReadError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return show(found)


def show(found: dict[str, Compared]) -> int:
    """Print a line per video and the mean of each kind; return 1 if the means of a kind differ."""
    kinds: dict[str, list[Compared]] = {}
    for name, row in found.items():
        kinds.setdefault(name.partition("-")[0], []).append(row)
    means = {f"{kind}, mean of {len(rows)}": mean_figures(rows) for kind, rows in kinds.items()}
    width = max(map(len, [*found, *means]))
    print(" " * width, "our r", "their r", "ours with theirs", "no face", "agree", sep="  ")
    for name, row in {**found, **means}.items():
        figures = f"{row.ours:5.2f}  {row.theirs:7.2f}  {row.both:16.2f}  {row.lost:7.2f}"
        print(name.ljust(width), figures, "yes" if row.agree else "NO", sep="  ")
    return 0 if all(row.agree for row in means.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
