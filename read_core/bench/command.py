"""``read-core bench``: time every stage and variant in one run, and write one report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..limits import ATTENTION_HELP, DTYPES, GUIDANCE_END, ORDERS, STEPS, WINDOW
from ..usage import out_of_memory

if TYPE_CHECKING:
    import torch

    from ..pipeline import ReadPipeline
    from ..records import ResolvedSettings
    from .results import Results

_OUT_OF_TIME = "not measured: out of time"
_NOT_YET = "not measured yet"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core bench``."""
    models = parser.add_mutually_exclusive_group()
    models.add_argument("--checkpoint", type=Path, help="folder (default: random weights)")
    models.add_argument(
        "--random", choices=("full", "tiny"), help="random weights (default: full on a GPU, else tiny)"
    )
    parser.add_argument("--size", type=int, help="side of the video in pixels (default: the checkpoint's)")
    parser.add_argument(
        "--steps",
        type=int,
        help=f"steps per clip, {STEPS} (default: the checkpoint's)",
    )
    parser.add_argument(
        "--window",
        type=int,
        help=f"latents per clip, {WINDOW} (default: the checkpoint's)",
    )
    parser.add_argument("--clips", type=int, default=3, help="clips of the video")
    parser.add_argument("--rounds", type=int, default=5, help="timed calls, after one that does not count")
    parser.add_argument("--variants", nargs="*", metavar="NAME", help="rows to measure (default: all)")
    parser.add_argument("--device", help="cpu, cuda, mps (default: the best available)")
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        help="of the models (default: as read-core generate; if random bfloat16 on a GPU, else float32)",
    )
    parser.add_argument("--out", type=Path, default=Path("output/bench"), help="folder of the report")
    parser.add_argument(
        "--guidance",
        choices=("split", "joint", "none", "distilled"),
        help="of the chosen variant and of those that change something else (default: the checkpoint's)",
    )
    parser.add_argument(
        "--order", choices=ORDERS, default=ORDERS[0], help="of the clips, as in read-core generate"
    )
    parser.add_argument("--attention", metavar="NAME", help=ATTENTION_HELP)
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="rows that have not begun by then are listed as not measured",
    )
    parser.add_argument(
        "--memory-limit",
        type=float,
        metavar="GB",
        help="on a CUDA device: refuse tensors more memory than this",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, and write Markdown, CSV, JSON and a plot after each row."""
    began = time.monotonic()
    from ..checks import check_size, check_steps
    from ..geometry import check_window
    from ..records import SamplingSettings
    from ..transformer.backends import set_attention
    from .clock import matmul_ceiling
    from .limit import limit_memory, memory_share
    from .material import make_material
    from .results import Results, facts
    from .variants import chosen_variants, variants_of

    if args.steps is not None:
        check_steps(args.steps)
    if args.window is not None:
        check_window(args.window)
    size = (args.size, args.size) if args.size else None
    if size:
        check_size(size)
    device = _device(args)
    share = None if args.memory_limit is None else memory_share(device, args.memory_limit)
    pipe = _pipeline(args, device)
    if share is not None:  # random weights are made with more
        limit_memory(device, share)
    if args.attention is not None:
        set_attention(pipe.transformer, args.attention, pipe.prompt.mask)
    guidance = None if args.guidance is None else pipe.defaults.guidance_of(args.guidance)
    every_step = GUIDANCE_END.largest  # as in the loop over diffusers
    asked = SamplingSettings(args.steps, guidance, args.window, order=args.order, guidance_end=every_step)
    settings = asked.resolved(pipe.defaults)
    every = variants_of(settings, pipe.defaults)
    variants = chosen_variants(args.variants, every)
    material = make_material(pipe, args.clips, size, settings.window)
    ceiling = matmul_ceiling(device, pipe.transformer.dtype)
    own = {"clips": args.clips, "rounds": args.rounds, "chosen": _described(settings)}
    limits = {"attention": args.attention, "GB at most": args.memory_limit}
    own |= {name: value for name, value in limits.items() if value is not None}
    results = Results(facts(pipe.card.name, material.pipe.card.resolution, ceiling, own))
    end = None if args.time_limit is None else began + args.time_limit
    work: dict[str, Callable[[], None]] = {
        "stages": partial(results.measure_stages, material, settings, args.rounds)
    }
    for name, variant in variants.items():
        work[name] = partial(results.measure, name, material, variant, ceiling, args.rounds)
    results.missing = dict.fromkeys(work, _NOT_YET)
    for name, measure in work.items():
        _row(results, name, measure, end)
        results.write(args.out)
    print(results.report().text())
    print(f"written: {args.out}/bench.md, .csv, .json, .png")
    return 0


def _row(results: Results, name: str, measure: Callable[[], None], end: float | None) -> None:
    """Measure one row, if there are time, memory and all that it needs; else note why not."""
    if end is not None and time.monotonic() >= end:
        results.missing[name] = _OUT_OF_TIME
        return
    print(f"{name} ...", flush=True)
    try:
        measure()
    except InputError as error:
        results.missing[name] = f"not measured: {error}"
    except (RuntimeError, MemoryError) as error:
        lack = out_of_memory(error)
        if lack is None:
            raise
        results.missing[name] = f"not measured: {lack}"
    else:
        del results.missing[name]


def _device(args: argparse.Namespace) -> torch.device:
    from ..device import best_device, checked_device

    return checked_device(args.device) or best_device()


def _pipeline(args: argparse.Namespace, device: torch.device) -> ReadPipeline:
    import torch

    from ..pipeline import ReadPipeline
    from .material import random_pipeline

    on_gpu = device.type == "cuda"
    if args.checkpoint is not None:
        own = args.dtype and getattr(torch, args.dtype)
        return ReadPipeline.from_pretrained(args.checkpoint, device, own)
    dtype = getattr(torch, args.dtype or ("bfloat16" if on_gpu else "float32"))
    return random_pipeline(args.random or ("full" if on_gpu else "tiny"), device, dtype)


def _described(settings: ResolvedSettings) -> str:
    guidance = settings.guidance
    return f"{guidance.kind}, {settings.steps} steps, window {settings.window}, order {settings.order}"
