"""``read-core prepare``: convert videos of talking people to training material."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..terminal import print_warning
from .settings import DETECTORS, LAYOUTS, VOICES

if TYPE_CHECKING:
    from tqdm import tqdm

    from .manifest import Manifest
    from .units import Unit


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core prepare``."""
    parser.add_argument(
        "videos", type=Path, help="folder of videos, searched with its subfolders, or one video"
    )
    parser.add_argument("out", type=Path, help="folder for the result; finished items in it stay")
    parser.add_argument(
        "--vae", type=Path, required=True, metavar="FOLDER", help="the VAE, from read-core init"
    )
    parser.add_argument(
        "--whisper",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the Whisper encoder, from read-core init",
    )
    parser.add_argument("--size", type=int, default=512, help="side of the crops in pixels, a multiple of 32")
    parser.add_argument(
        "--seconds",
        type=float,
        nargs=2,
        default=(10.0, 20.0),
        metavar=("LEAST", "MOST"),
        help="length of the items that longer stretches are cut into (default: 10 20)",
    )
    parser.add_argument(
        "--shortest",
        type=float,
        metavar="SECONDS",
        help="shorter stretches than LEAST are kept whole from this length on (default: 4.84, one clip of "
        "121 frames, or LEAST if that is less)",
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="plain",
        help="how file names name the person, for the split: hdtf (RD_Radio1_000.mp4), mead (M003/...), "
        "plain (they do not: each video counts as one person)",
    )
    parser.add_argument(
        "--detector",
        nargs="+",
        default=["own"],
        metavar=("NAME", "FILE"),
        help=f"face detector: {', '.join(DETECTORS)}; yunet needs its ONNX file (default: own)",
    )
    parser.add_argument(
        "--voice",
        choices=VOICES,
        default="webrtc",
        help="speech detector: webrtc (package webrtcvad-wheels), loudness (any sound), none "
        "(everything counts as speech)",
    )
    parser.add_argument("--span", type=int, default=16, help="latents that are encoded at once")
    parser.add_argument(
        "--context", type=int, default=8, help="latents before a span that are encoded with it and discarded"
    )
    parser.add_argument(
        "--license",
        metavar="TEXT",
        help="license of the footage, for new items (default: that of the first run, or 'not stated')",
    )
    parser.add_argument(
        "--relicense", action="store_true", help="give finished items the license of --license, too"
    )
    parser.add_argument(
        "--check", action="store_true", help="read all finished items, and make damaged ones again"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: the best available)")
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    parser.add_argument(
        "--engine",
        choices=("processes", "ray"),
        default="processes",
        help="processes of this machine, or Ray (an extra)",
    )


def run(args: argparse.Namespace) -> int:
    """Prepare what is missing, draw the contact sheets and print a summary."""
    from ..errors import InputError
    from .prepare import Requests, prepare
    from .settings import Settings
    from .sheets import are_current, save_sheets

    detector, *file = args.detector
    if len(file) > 1:
        raise InputError(f"--detector takes a name and at most one file; {len(file)} files were given")
    settings = Settings(
        vae=args.vae,
        whisper=args.whisper,
        size=args.size,
        layout=args.layout,
        seconds=(args.seconds[0], args.seconds[1]),
        span=args.span,
        context=args.context,
        detector=detector,
        detector_file=Path(file[0]) if file else None,
        voice=args.voice,
        license=args.license,
        device=args.device,
        shortest=args.shortest,
    )
    progress = _Progress()
    try:
        done = prepare(
            args.videos,
            args.out,
            settings,
            args.engine,
            args.workers,
            progress.begin,
            progress.advance,
            progress.warn,
            Requests(check=args.check, relicense=args.relicense),
        )
    finally:
        progress.close()
    current = are_current(args.out, done.manifest)
    sheets = [] if current else save_sheets(args.out, args.videos, done.manifest)
    _report(done.manifest, done.made, done.busy, sheets)
    return 0


class _Progress:
    """A bar in seconds of footage, with its rate and the time left; no bar if there is no work."""

    def __init__(self) -> None:
        self.bar: tqdm[NoReturn] | None = None

    def begin(self, what: str, seconds: float) -> None:
        from tqdm import tqdm

        self.close()
        if seconds:
            columns, lines = shutil.get_terminal_size()
            form = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of footage "
            form += "[{elapsed}<{remaining}, {rate_noinv_fmt}]"
            self.bar = tqdm(
                total=seconds,
                desc=what,
                unit=" s",
                ncols=columns,
                nrows=lines,
                bar_format=form,
                mininterval=0.1 if sys.stderr.isatty() else 30,
            )

    def advance(self, unit: Unit) -> None:
        if self.bar is not None:
            self.bar.update(min(unit.seconds, (self.bar.total or 0) - self.bar.n))

    def warn(self, message: str) -> None:
        if self.bar is not None:
            self.bar.clear()
        print_warning(message)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = None


def _report(manifest: Manifest, made: int, busy: int, sheets: list[Path]) -> None:
    from .manifest import reasons

    content = manifest.content
    counts = {split: sum(i["split"] == split for i in content["items"]) for split in ("train", "validation")}
    print(
        f"{manifest.folder}: {len(content['items'])} items, {content['seconds'] / 60:.1f} minutes "
        f"({counts['train']} to train, {counts['validation']} for validation, "
        f"split by {content['split_by']}); {made or 'nothing'} new"
    )
    if busy:
        print(f"{busy} pieces of work are being done by another process; run again when it has ended")
    for reason, count in reasons(manifest)[:8]:
        print(f"left out {count} times: {reason}")
    seam = content.get("seam")
    if seam:
        exact = seam["context"] >= seam["exact_from"]
        told = "exact" if exact else f"{seam['decibels']:.1f} dB of encoding all at once"
        print(f"encoded in spans of {seam['span']} latents with {seam['context']} of context: {told}")
    for sheet in sheets:
        print(f"{sheet}: written; check it before training")
