"""``read-core corpus``: make a corpus of synthetic presenters, and look at it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..checks import check_size
from ..errors import InputError
from ..geometry import FPS, SAMPLE_RATE
from .build import build_corpus, load_item, read_index
from .sentences import SPLITS
from .synthesis import SYNTHESISERS

# Frames drawn at a time for a preview.
_CHUNK = 2 * FPS


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core corpus``."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the corpus; each split is a folder in it"
    )
    parser.add_argument(
        "--split", choices=SPLITS, default="train", help="which faces, sentences and voices to use"
    )
    parser.add_argument("--count", type=int, default=1000, help="items in the split, finished ones included")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="duration of each item; 0: one to three sentences"
    )
    parser.add_argument(
        "--synthesiser", choices=SYNTHESISERS, default="espeak", help="flite is held out, for evaluation"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the whole corpus")
    parser.add_argument("--workers", type=int, default=1, help="processes to use")
    parser.add_argument(
        "--preview", type=int, default=0, metavar="N", help="draw the first N items as MP4 files"
    )
    parser.add_argument(
        "--preview-size", type=int, default=256, metavar="PIXELS", help="their height and width"
    )


def run(args: argparse.Namespace) -> int:
    """Build the corpus, write the previews that were asked for and say what there is."""
    if args.preview < 0:
        raise InputError(f"preview is {args.preview}; expected 0 or more")
    check_size((args.preview_size, args.preview_size))
    folder = build_corpus(
        args.out, args.split, args.count, args.seconds or None, args.synthesiser, args.seed, args.workers
    )
    for index in range(min(args.preview, args.count)):
        sys.stdout.write(f"{write_preview(folder, index, args.preview_size)}\n")
    items = read_index(folder)
    minutes = sum(info.seconds for info in items) / 60
    voices = len({info.voice.split(":")[1] for info in items})
    sys.stdout.write(f"{folder}: {len(items)} items, {minutes:.1f} minutes, {voices} voices\n")
    return 0


def write_preview(folder: Path, index: int, size: int) -> Path:
    """Draw item ``index`` of a split's folder as ``preview/<index>.mp4`` with its sound; returns the path."""
    from ..media.audio import waveform_track
    from ..media.video import VideoWriter

    item = load_item(folder, index)
    target = folder / "preview" / f"{index:06d}.mp4"
    target.parent.mkdir(exist_ok=True)
    track = waveform_track(item.waveform, SAMPLE_RATE)
    with VideoWriter(target, (size, size), track, {"title": item.info.text}, overwrite=True) as video:
        for start in range(0, item.mouth.shape[0], _CHUNK):
            video.write(item.frames(size, start, min(start + _CHUNK, item.mouth.shape[0])))
    return target
