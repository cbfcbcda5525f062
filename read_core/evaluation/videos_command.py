"""``read-core evaluate videos``: any generated videos against real ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..terminal import print_warning

WITH_NETWORK = ("fid", "fvd", "sync", "efid")
METRICS = (*WITH_NETWORK, "runtime", "mouth", "identity", "color", "seams")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core evaluate videos``."""
    parser.add_argument(
        "--generated", type=Path, required=True, metavar="FOLDER", help="generated videos, with sound"
    )
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="real videos; pairs have the same name; of footage from read-core prepare only people held out",
    )
    parser.add_argument(
        "--metrics",
        metavar="NAME,...",
        help=f"which: {', '.join(METRICS)}, separated by commas (default: all; without --weights, all but "
        f"the first {len(WITH_NETWORK)})",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FOLDER",
        help=f"the files of the feature networks of {', '.join(WITH_NETWORK)} (docs/evaluation.md lists "
        "them); nothing is downloaded",
    )
    parser.add_argument(
        "--clip-frames",
        type=_joins,
        metavar="FIRST,ADDED",
        help="frames of the first clip of each video, and frames that every further clip adds, for the "
        "seams, for example 121,112 (default: as the tags of READ's videos say)",
    )
    parser.add_argument("--out", type=Path, default=Path("output/videos"), help="folder of the results")
    parser.add_argument("--device", help="cpu, cuda, mps (default: the best available)")


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables and say what was written."""
    if args.metrics is None:
        names = list(METRICS if args.weights else METRICS[len(WITH_NETWORK) :])
    else:
        names = [name.strip() for name in args.metrics.split(",") if name.strip()]
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise InputError(f"--metrics has {', '.join(unknown)}; expected some of {', '.join(METRICS)}")
    import torch

    from ..device import best_device
    from .comparison import Tools
    from .metrics.joins import Joins
    from .suites.videos import run_videos

    joins = None if args.clip_frames is None else Joins(*args.clip_frames)
    tools = Tools(args.weights, torch.device(args.device or best_device()), print_warning)
    report = run_videos(args.generated, args.reference, names, tools, args.out, joins)
    print(report.text())
    pictures = ", seams.png" if "seams" in names and (args.out / "seams.png").is_file() else ""
    print(f"written to {args.out}: videos.txt, videos.md, videos.csv, videos.json, videos.html{pictures}")
    return 0


def _joins(text: str) -> tuple[int, int]:
    """ "FIRST,ADDED" -> two numbers."""
    first, _, added = text.partition(",")
    if not (first.isdecimal() and added.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no length of clips; expected FIRST,ADDED such as 121,112"
        )
    return int(first), int(added)
