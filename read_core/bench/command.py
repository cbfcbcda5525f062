"""``read-core bench``: time every stage and variant in one run, and write one report."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from ..limits import DTYPES, STEPS, WINDOW

if TYPE_CHECKING:
    from ..evaluation.tables.report import Report
    from ..pipeline import ReadPipeline
    from .measure import Speed

_STAGES_NOTE = (
    "Median, least and most of the rounds. The alternative has no audio branch and a time per token; it "
    "makes one clip with the same weights, tokens, steps and branches."
)
_VARIANTS_NOTE = (
    "End to end: from speech codes and reference to uint8 frames in main memory, clip by clip; writing a "
    "file is not included. Student: the evaluations of a guidance-distilled student, with these weights. "
    "TFLOP/s: of sampling, without keys and values of speech and text."
)


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
        "--dtype", choices=DTYPES, help="of the models (default: bfloat16 on a GPU, else float32)"
    )
    parser.add_argument("--out", type=Path, default=Path("output/bench"), help="folder of the report")


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, and write Markdown, CSV, JSON and a plot."""
    from ..checks import check_size, check_steps
    from ..geometry import check_window
    from ..records import SamplingSettings
    from .clock import matmul_ceiling
    from .material import make_material
    from .measure import Speed, Stage, measure, measure_stages
    from .variants import chosen_variants, variants_of

    if args.steps is not None:
        check_steps(args.steps)
    if args.window is not None:
        check_window(args.window)
    size = (args.size, args.size) if args.size else None
    if size:
        check_size(size)
    pipe = _pipeline(args)
    device, dtype = pipe.transformer.device, pipe.transformer.dtype
    settings = SamplingSettings(steps=args.steps, window=args.window).resolved(pipe.defaults)
    variants = chosen_variants(args.variants, variants_of(settings, device.type == "cuda"))
    material = make_material(pipe, args.clips, size, settings.window)
    ceiling = matmul_ceiling(device, dtype)

    report = _report(args, pipe.card.name, material.pipe.card.resolution, ceiling)
    stages = measure_stages(material, settings, args.rounds)
    report.add_figures("Stages", "stage", Stage, list(stages.items()), _STAGES_NOTE)
    rows: list[tuple[str, Speed]] = []
    for name, variant in variants.items():
        print(f"{name} ...", flush=True)
        rows.append((name, measure(material, variant, ceiling, args.rounds)))
    report.add_figures("Variants", "variant", Speed, rows, _VARIANTS_NOTE)
    print(report.text())
    report.write(args.out, "bench")
    _plot(rows, args.out / "bench.png")
    print(f"written: {args.out}/bench.md, .csv, .json, .png")
    return 0


def _pipeline(args: argparse.Namespace) -> ReadPipeline:
    import torch

    from ..device import best_device
    from ..pipeline import ReadPipeline
    from .material import random_pipeline

    device = torch.device(args.device or best_device())
    on_gpu = device.type == "cuda"
    dtype = getattr(torch, args.dtype or ("bfloat16" if on_gpu else "float32"))
    if args.checkpoint is not None:
        return ReadPipeline.from_pretrained(args.checkpoint, device, dtype)
    return random_pipeline(args.random or ("full" if on_gpu else "tiny"), device, dtype)


def _report(args: argparse.Namespace, name: str, size: tuple[int, int], ceiling: float) -> Report:
    import torch

    from ..evaluation.tables.report import Report
    from ..version import __version__

    graphics = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    machine = f"{platform.machine()}, {os.cpu_count()} logical cores, {torch.get_num_threads()} threads"
    return Report(
        "Speed",
        {
            "models": name,
            "size": f"{size[1]} x {size[0]}",
            "clips": args.clips,
            "rounds": args.rounds,
            "GPU": graphics,
            "machine": machine,
            "matrix product, TFLOP/s": ceiling / 1e12,
            "torch": torch.__version__,
            "read-core": __version__,
        },
    )


def _plot(rows: list[tuple[str, Speed]], path: Path) -> None:
    """Frames per second of each variant, next to the line of real time."""
    from matplotlib.figure import Figure

    from ..geometry import FPS

    figure = Figure(figsize=(8, 1 + 0.4 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh([name for name, _ in rows], [speed.fps for _, speed in rows])
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.axvline(FPS, color="gray", linestyle="--", label=f"real time, {FPS} frames per second")
    axes.invert_yaxis()
    axes.set_xlabel("frames per second, end to end")
    axes.legend()
    figure.savefig(path, dpi=120)
