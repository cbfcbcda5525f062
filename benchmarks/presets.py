"""Presets of x264 on decoded frames of the example: time of the processor, size, and what is lost.

Frames are in the colors of the file (YUV 4:2:0), so only the encoder's own loss counts.
"""

from __future__ import annotations

import io
import time
from fractions import Fraction
from typing import Any

import av
import numpy as np
from timing import Page, guarded, inputs, milliseconds, parser
from torch import Tensor
from torch.nn import functional as F

PRESETS = ("medium", "faster", "veryfast", "superfast")


def main() -> None:
    made = parser(__doc__, clips=1)
    made.add_argument(
        "--sides", type=int, nargs="+", default=[128, 512], help="of the frames (default: 128 512)"
    )
    made.add_argument("--crf", type=int, default=17, help="constant rate factor (default: 17)")
    args = made.parse_args()
    given = inputs(args, args.clips)
    latents = given.pipe.sample(given.speech, given.reference, given.settings)
    frames = given.pipe.decode(latents, given.speech.num_frames)
    page = Page("Presets of x264")
    page.say(f"{given.describe}; crf {args.crf}.")
    rows = []
    for side in args.sides:
        pictures = resized(frames, side)
        for preset in PRESETS:
            seconds, size, decibels = encoded(pictures, preset, args.crf)
            rows.append(
                [f"{side}, {preset}", milliseconds(seconds), f"{size / 1e3:.0f} kB", f"{decibels:.2f} dB"]
            )
    page.table(["side, preset", "time of the processor", "size", "PSNR"], rows)
    page.save(args.out)


def resized(frames: Tensor, side: int) -> list[Any]:
    """Frames (F, h, w, 3) as square pictures in YUV 4:2:0."""
    planes = F.interpolate(frames.permute(0, 3, 1, 2), (side, side), mode="bicubic").clamp(0, 1)
    pixels = planes.permute(0, 2, 3, 1).mul(255).round().byte().contiguous().numpy()
    return [
        av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p") for picture in pixels
    ]


def encoded(pictures: list[Any], preset: str, crf: int) -> tuple[float, int, float]:
    """Seconds of the processor, bytes, and PSNR."""
    file = io.BytesIO()
    started = time.process_time()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": preset, "crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = pictures[0].height, pictures[0].width, "yuv420p"
        for number, picture in enumerate(pictures):
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    seconds = time.process_time() - started
    size = len(file.getbuffer())
    file.seek(0)
    with av.open(file) as container:
        errors = [
            np.square(found.to_ndarray().astype(np.float32) - picture.to_ndarray()).mean()
            for found, picture in zip(container.decode(video=0), pictures, strict=True)
        ]
    return seconds, size, float(10 * np.log10(255**2 / np.mean(errors)))


if __name__ == "__main__":
    guarded(main)
