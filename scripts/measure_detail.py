"""Measure the detail step: each form compared with true frames, and milliseconds per frame.

    python scripts/measure_detail.py --clips output/tiny/large --split test --vae FOLDER --network FOLDER

The videos (``read-core corpus --size 256``) are halved, encoded and decoded by the VAE, and restored.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from read_core.checkpoint import load_model
from read_core.corpus.video_file import ClipFile, find_clips
from read_core.detail import DetailRestorer
from read_core.errors import ReadError
from read_core.evaluation.figures import column
from read_core.evaluation.suites.detail import DetailVideo, add_detail, detail_forms, milliseconds
from read_core.evaluation.tables.report import Report
from read_core.training.data.detail import shrunk
from read_core.video import TemporalVAE


@dataclass(frozen=True)
class FrameTimes:
    """Milliseconds per frame, from 128 pixels to a size."""

    to_256: float = column("128 to 256 (ms)")
    to_512: float = column("128 to 512 (ms)")


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; return exit status 2 if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--split", default="validation", help="train, validation or test")
    parser.add_argument("--prefix", default="", help="only videos whose names begin so, as photo or espeak")
    parser.add_argument("--count", type=int, default=24, help="videos at most")
    parser.add_argument("--frames", type=int, default=33, help="of each at most, 8 n + 1")
    parser.add_argument("--vae", type=Path, required=True, help="folder of the VAE")
    parser.add_argument("--network", type=Path, help="folder of the network")
    parser.add_argument("--threads", type=int, default=2, help="processor threads for the times")
    parser.add_argument("--out", type=Path, help="write detail.md, .txt and .json there")
    args = parser.parse_args(arguments)
    try:
        report = measure(args)
        if args.out is not None:
            report.write(args.out, "detail")
    except ReadError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    print(report.markdown())
    return 0


@torch.no_grad()
def measure(args: argparse.Namespace) -> Report:
    """Both tables."""
    network = None
    if args.network is not None:
        network = load_model("detail", args.network).eval()
    codec = TemporalVAE(load_model("vae", args.vae))
    found = [f for f in find_clips(args.clips, args.split) if f.path.name.startswith(args.prefix)]
    metadata = {
        "clips": str(args.clips),
        "split": args.split,
        "vae": str(args.vae),
        "network": str(args.network),
    }
    report = Report("The detail step", metadata)
    videos = (read_video(file, codec, args.frames) for file in found[: args.count])
    add_detail(report, videos, detail_forms(network))
    torch.set_num_threads(args.threads)
    forms = {"without network": DetailRestorer()} | ({"network": DetailRestorer(network)} if network else {})
    rows = [
        (name, FrameTimes(milliseconds(form, 256), milliseconds(form, 512))) for name, form in forms.items()
    ]
    report.add_figures(
        "Time of a frame",
        "form",
        FrameTimes,
        rows,
        f"{args.threads} threads, 8 frames in a call, median of 10.",
    )
    return report


def read_video(file: ClipFile, codec: TemporalVAE, limit: int) -> DetailVideo:
    """The first frames of a video, and the same after the codec."""
    count = min(limit, file.whole_frames)
    frames, boxes = file.read(0, count)
    small = shrunk(frames, 2)
    with safe_open(file.path, "pt") as content:
        known = "blink" in content.keys()  # noqa: SIM118
        blink = content.get_tensor("blink") if known else torch.zeros(count)
    return DetailVideo(
        true=frames.float() / 255,
        decoded=codec.decode(codec.encode(small[None]))[0],
        decoded_portrait=codec.decode(codec.encode(small[None, :1]))[0, 0],
        boxes=boxes,
        eyes=file.eyes(0, count),
        opening=file.mouth()[:count, 0],
        blink=blink[:count],
    )


if __name__ == "__main__":
    sys.exit(main())
