"""``read-core evaluate videos``: published metrics of any generated videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..terminal import print_warning

METRICS = ("fid", "fvd", "sync", "efid")


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
        help="real videos; pairs have the same name",
    )
    parser.add_argument(
        "--metrics",
        default=",".join(METRICS),
        metavar="NAME,...",
        help=f"which: {', '.join(METRICS)}, separated by commas",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the files of the feature networks (docs/evaluation.md lists them); nothing is downloaded",
    )
    parser.add_argument("--out", type=Path, default=Path("output/videos"), help="folder of the results")
    parser.add_argument("--device", help="cpu, cuda, mps (default: the best there is)")


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables and say what was written."""
    names = [name.strip() for name in args.metrics.split(",") if name.strip()]
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise InputError(f"--metrics has {', '.join(unknown)}; expected some of {', '.join(METRICS)}")
    import torch

    from ..pipeline import best_device
    from .suites.videos import run_videos

    device = torch.device(args.device or best_device())
    report = run_videos(args.generated, args.reference, names, args.weights, args.out, device, print_warning)
    print(report.text())
    print(f"written to {args.out}: videos.txt, videos.md, videos.csv, videos.json, videos.html")
    return 0
