"""What ``torch.compile`` gains on this machine: its time, and how long a video must be to earn it.

A2V-DiT, the decoder and the detail network run plain and compiled, alternately. They are compiled with an
empty cache, as on the first start of a program, and again with what is on disk, as on later starts.
"""

from __future__ import annotations

import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from unittest.mock import patch

import torch
from timing import PORTRAIT, Inputs, Page, guarded, inputs, interleaved, milliseconds, parser
from torch import Tensor

from read_core.finish import Finishing
from read_core.media import read_image
from read_core.video.decoder import ChunkDecoder

PARTS = ("sampling", "decoding", "finishing")


def main() -> None:
    made = parser(__doc__, clips=2, repeats=3)
    made.add_argument(
        "--output-size", type=int, default=256, help="of the finished pictures in pixels (default: 256)"
    )
    made.add_argument("--backend", default="inductor", help="of torch.compile (default: inductor)")
    made.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as cache, patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=cache):
        given = inputs(args, args.clips)
        calls = calls_of(given, args.output_size)
        rows = [row(given, name, calls[name], args) for name in args.parts]
    page = Page("torch.compile")
    page.say(
        f"{given.describe}, {given.pipe.transformer.dtype}; {args.repeats} rounds. Seconds of a part are "
        "those of the processor, those to compile of the clock."
    )
    header = [
        "part",
        "plain, per s of video",
        "compiled, times plain (range)",
        "to compile",
        "again, with its cache",
        "earns the latter after",
        "largest difference",
    ]
    page.table(header, rows)
    page.save(args.out)


def calls_of(given: Inputs, size: int) -> dict[str, Callable[[], Tensor]]:
    """Each part on equal inputs."""
    pipe, portrait = given.pipe, read_image(PORTRAIT)
    latents = pipe.sample(given.speech, given.reference, given.settings)
    frames = pipe.decode(latents, given.speech.num_frames)

    def finished() -> Tensor:
        detail = pipe.detail is not None and pipe.card.face is not None
        finish = pipe.finish(
            given.reference, portrait, Finishing(detail, False, size, blinks=False, head_motion=False)
        )
        return torch.cat([pictures.clone() for pictures in finish(frames)])

    return {
        "sampling": partial(pipe.sample, given.speech, given.reference, given.settings),
        "decoding": partial(pipe.decode, latents, given.speech.num_frames),
        "finishing": finished,
    }


def compiled(given: Inputs, name: str, backend: str) -> Callable[[], AbstractContextManager[object]]:
    """What exchanges a part of the pipeline for its compiled form, for as long as the context lasts."""
    pipe, compile_ = given.pipe, partial(torch.compile, backend=backend)
    if name == "sampling":
        return partial(patch.object, pipe, "transformer", compile_(pipe.transformer))
    if name == "decoding":
        return partial(patch.object, ChunkDecoder, "__call__", compile_(ChunkDecoder.__call__))
    return partial(patch.object, pipe, "detail", pipe.detail and compile_(pipe.detail))


def row(given: Inputs, name: str, plain: Callable[[], Tensor], args: Namespace) -> list[str]:
    """Measure one part."""
    exchange = compiled(given, name, args.backend)

    def fast() -> Tensor:
        with exchange():
            return plain()

    expected = plain()
    first, found = timed(fast)
    torch.compiler.reset()  # what is on disk stays
    again, _ = timed(fast)
    times = interleaved({"plain": plain, "compiled": fast}, args.repeats, expected.device)
    torch.compiler.reset()
    assert times.processor is not None
    work = times.processor
    spent, gained = again - times.median("compiled"), work.median("plain") - work.median("compiled")
    return [
        name,
        milliseconds(work.median("plain") / given.seconds),
        work.ratio("compiled", "plain"),
        f"{first - times.median('compiled'):.1f} s",
        f"{spent:.1f} s",
        f"{spent / gained * given.seconds:.0f} s of video" if gained > 0 else "never",
        f"{float((found - expected).abs().max()):.1e}",
    ]


def timed(call: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds of a call, and what it returns."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


if __name__ == "__main__":
    guarded(main)
