"""Compare crops and frame sizes of the codec: a tighter crop, and more pixels.

    python scripts/try_crops.py write CORPUS OUT
    read-core train configs/photo/vae.yaml --output FOLDER --set clips=OUT/NAME ...      # for each NAME
    python scripts/try_crops.py measure CORPUS NAME=FOLDER/export ... [--out FOLDER]

CORPUS holds videos of 256 x 256 pixels (``read-core corpus --size 256``). ``write`` makes a corpus of smaller
frames for each crop. ``measure`` passes the held-out videos through the trained codecs, puts each crop back
into its place at 256 pixels, and compares it with the true video there. Detail is the training-free form: the
network knows one codec only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import rearrange
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from read_core.checkpoint import load_model
from read_core.corpus.video_file import SUFFIX, ClipFile, find_clips
from read_core.detail import DetailRestorer
from read_core.errors import InputError, ReadError
from read_core.evaluation.figures import column, mean_figures
from read_core.evaluation.metrics.face import read_placed
from read_core.evaluation.metrics.psnr import psnr_in_boxes
from read_core.evaluation.metrics.span import opening_span
from read_core.evaluation.metrics.sync import correlation
from read_core.evaluation.tables.report import Report
from read_core.media.files import written_whole
from read_core.mouth.face_reader import box_places, place_points
from read_core.pictures import antialiased, as_bytes
from read_core.video import TemporalVAE

SIDE = 256  # of the corpus
_OPEN = 0.1  # lids


@dataclass(frozen=True)
class Crop:
    """Part of a corpus frame, and the size at which the codec sees it.

    Attributes:
        left, top, side: pixels of the corpus frame.
        size: pixels of the codec's frame, a multiple of 32.
    """

    left: int
    top: int
    side: int
    size: int

    def cut(self, frames: Tensor) -> Tensor:
        """Frames (F, 256, 256, 3), 0..1 -> (F, size, size, 3), 0..1."""
        return resized(self.of(frames), self.size)

    def of(self, frames: Tensor) -> Tensor:
        """The part itself, a view (F, side, side, 3)."""
        return frames[:, self.top : self.top + self.side, self.left : self.left + self.side]

    def moved(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) in pixels of the corpus frame -> in pixels of the codec's frame."""
        corner = boxes.new_tensor([self.left, self.top, self.left, self.top])
        return (boxes - corner) * self.size / self.side


CROPS = {
    "128": Crop(0, 0, SIDE, 128),
    "128-tight": Crop(23, 29, 210, 128),  # eye distance 0.34 of the width, eyes at 0.30 of the height
    "160": Crop(0, 0, SIDE, 160),
    "192": Crop(0, 0, SIDE, 192),
}


@dataclass(frozen=True)
class CodecFigures:
    """A video after a codec, or several in the mean.

    Attributes:
        mouth, eyes: decibels against the true frames, inside their boxes, of eyes that are open.
        mouth_restored, eyes_restored: the same after the training-free detail step.
        opening, width, rounding: correlation of the lips, read after that step, with the true track.
        span: range of the opening by that of the true video, both read.
    """

    mouth: float = column("mouth (dB)")
    eyes: float = column("open eyes (dB)")
    mouth_restored: float = column("mouth with detail (dB)")
    eyes_restored: float = column("open eyes with detail (dB)")
    opening: float = column("opening r")
    width: float = column("width r")
    rounding: float = column("rounding r")
    span: float = column("range")


def resized(frames: Tensor, side: int) -> Tensor:
    """Frames (F, h, w, 3), 0..1, as squares (F, side, side, 3), 0..1."""
    planes = rearrange(frames.float(), "f h w c -> f c h w")
    return antialiased(planes, (side, side)).clamp(0, 1).permute(0, 2, 3, 1)


def write_crops(corpus: Path, out: Path, splits: Sequence[str] = ("train", "validation")) -> None:
    """Write the corpus once for each crop; existing files are kept."""
    for split in splits:
        for file in find_clips(corpus, split):
            for name, crop in CROPS.items():
                path = out / name / split / f"{file.path.stem}{SUFFIX}"
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    _write(file.path, crop, path)


def _write(source: Path, crop: Crop, path: Path) -> None:
    tensors = load_file(source)
    frames = tensors["frames"]
    if frames.shape[1:3] != (SIDE, SIDE):
        raise InputError(
            f"{source} has {frames.shape[2]} x {frames.shape[1]} pixels; expected a corpus of --size {SIDE}"
        )
    tensors["frames"] = as_bytes(crop.cut(frames.float() / 255))
    tensors |= {name: crop.moved(tensors[name]) for name in ("boxes", "eyes") if name in tensors}
    with safe_open(source, "pt") as content:
        metadata = content.metadata()
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata)


@torch.no_grad()
def measure_codec(file: ClipFile, codec: TemporalVAE, crop: Crop) -> CodecFigures:
    """One held-out video through a codec of one crop."""
    frames, boxes = file.read(0, file.whole_frames)
    true = frames.float() / 255
    count = len(true)
    eyes, blink, track = file.eyes(0, count), file.blink(0, count), file.mouth()[:count]
    places = box_places(eyes[0], boxes[0])
    points = place_points(places)
    small = crop.cut(true)
    decoded = codec.decode(codec.encode(small[None]))[0]
    portrait = codec.decode(codec.encode(small[None, :1]))[0, 0]
    inside = (places - places.new_tensor([crop.left, crop.top])) / crop.side
    restored = DetailRestorer().restore(decoded, crop.of(true)[0], portrait, inside)
    plain, finished = (_in_place(true, crop, part) for part in (decoded, restored))
    seen = 1 + (blink[1:] < _OPEN).nonzero()[:, 0]
    open_eyes = rearrange(eyes[seen], "f e b -> (f e) b")

    def in_mouth(video: Tensor) -> float:
        return psnr_in_boxes(video[1:], true[1:], boxes[1:])

    def in_eyes(video: Tensor) -> float:
        return psnr_in_boxes(
            video[seen].repeat_interleave(2, 0), true[seen].repeat_interleave(2, 0), open_eyes
        )

    read, rendered = read_placed(finished, points).mouth, read_placed(true, points).mouth
    opening, width, rounding = (correlation(read[:, value], track[:, value]) for value in range(3))
    return CodecFigures(
        in_mouth(plain),
        in_eyes(plain),
        in_mouth(finished),
        in_eyes(finished),
        opening,
        width,
        rounding,
        opening_span(read[:, 0]) / opening_span(rendered[:, 0]),
    )


def _in_place(true: Tensor, crop: Crop, part: Tensor) -> Tensor:
    """The true frames with the crop replaced by ``part`` (F, h, w, 3)."""
    result = true.clone()
    crop.of(result)[:] = resized(part, crop.side)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Write or measure; return exit status 2 if something is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write", help="write the corpus once for each crop")
    writing.add_argument("corpus", type=Path)
    writing.add_argument("out", type=Path)
    measuring = commands.add_parser("measure", help="compare trained codecs")
    measuring.add_argument("corpus", type=Path)
    measuring.add_argument("codecs", nargs="+", metavar="NAME=FOLDER", help=f"NAME: {', '.join(CROPS)}")
    measuring.add_argument("--split", default="validation")
    measuring.add_argument("--count", type=int, default=24, help="videos at most")
    measuring.add_argument("--out", type=Path, help="write crops.md, .txt, .csv and .json there")
    args = parser.parse_args(arguments)
    try:
        if args.command == "write":
            write_crops(args.corpus, args.out)
            return 0
        report = measure(args)
        if args.out is not None:
            report.write(args.out, "crops")
    except ReadError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    print(report.markdown())
    return 0


def measure(args: argparse.Namespace) -> Report:
    """The table, in the mean over the videos."""
    files = find_clips(args.corpus, args.split)[: args.count]
    rows = []
    for pair in args.codecs:
        name, _, folder = pair.partition("=")
        if name not in CROPS or not folder:
            raise InputError(f"{pair}: expected NAME=FOLDER, with a NAME out of {', '.join(CROPS)}")
        codec = TemporalVAE(load_model("vae", Path(folder)))
        rows.append((name, mean_figures([measure_codec(file, codec, CROPS[name]) for file in files])))
    report = Report("Crops and sizes of the codec", {"clips": str(args.corpus), "split": args.split})
    note = f"{len(files)} videos, in their places in frames of {SIDE} x {SIDE} pixels; frame 0 is left out."
    report.add_figures("Crops", "crop", CodecFigures, rows, note)
    return report


if __name__ == "__main__":
    sys.exit(main())
