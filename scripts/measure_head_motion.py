"""Measure generated videos with and without added head motion: the head, and whether lips can still be read.

    python scripts/measure_head_motion.py --faces FOLDER [--count 9] [--every 6] [--checkpoint FOLDER]

Photographs of the test split talk for two clips. Both ways of finishing get the same generated frames. It
writes the table as ``head_motion.txt``, ``.md``, ``.csv`` and ``.json``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from read_core import ReadPipeline, SamplingSettings
from read_core.bundled import BUNDLED
from read_core.evaluation.figures import column, mean_figures
from read_core.evaluation.material.samples import speakers_here
from read_core.evaluation.material.talks import FINE, Talk, TalkSource
from read_core.evaluation.material.videos import VideoGenerator
from read_core.evaluation.metrics.seams import clip_starts, whole_clips
from read_core.evaluation.suites.speaking import read_talk, speaking_of
from read_core.evaluation.tables.metadata import weights_digest
from read_core.evaluation.tables.report import Report, make_folder
from read_core.geometry import latents_of_frames

_NOTE = (
    "Head: share of the truth's motion. Open, width, round r: correlation with the true track. Range: the "
    "opening's, by that of the talk. Blinks: read in a video. Means over the videos."
)


@dataclass(frozen=True)
class MotionFigures:
    """One video, or several in the mean."""

    head: float = column("head")
    opening: float = column("open r")
    width: float = column("width r")
    rounding: float = column("round r")
    span: float = column("range")
    blinks: float = column("blinks")


def measure(pipe: ReadPipeline, talk: Talk, seed: int, head_motion: bool) -> MotionFigures:
    """Generate one talk, finish it with or without head motion, and compare it with the truth."""
    frames = VideoGenerator(pipe).finished(talk, SamplingSettings(seed=seed), head_motion)
    starts = clip_starts(latents_of_frames(len(frames)), pipe.defaults.window)
    found = speaking_of(frames, read_talk(frames, talk), talk, read_talk(talk.frames, talk), starts)
    lips = found.sync
    return MotionFigures(
        found.head / found.true_head, lips.opening, lips.width, lips.rounding, found.span, found.blinks
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure the photographs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True, help="folder of portraits, as for evaluate")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED)
    parser.add_argument("--count", type=int, default=9, help="photographs at most (default: 9)")
    parser.add_argument("--every", type=int, default=6, help="take every n-th of the split (default: 6)")
    parser.add_argument("--seed", type=int, default=0, help="of noise and motion (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("output/head_motion"))
    args = parser.parse_args(arguments)
    make_folder(args.out)
    pipe = ReadPipeline.from_pretrained(args.checkpoint)
    card, frames = pipe.card, whole_clips(2, pipe.defaults.window)
    source = TalkSource("test", frames, card.resolution, card.face, speakers_here(), FINE)
    orders = list(islice(source.photographs(args.faces, args.count * args.every), 0, None, args.every))
    found: dict[bool, list[MotionFigures]] = {False: [], True: []}
    for order in orders:
        talk = source.draw(order)
        for head_motion, own in found.items():
            own.append(measure(pipe, talk, args.seed, head_motion))
            print(order.name, head_motion, own[-1], flush=True)
    everything = {"photographs": len(orders), "seed": args.seed, "weights": weights_digest(pipe)}
    report = Report(f"{card.name} with and without head motion", everything)
    rows = [("with" if moved else "without", mean_figures(own)) for moved, own in found.items()]
    report.add_figures("Head motion", "head motion", MotionFigures, rows, _NOTE)
    report.write(args.out, "head_motion")
    print(report.text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
