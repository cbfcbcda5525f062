"""What float8 costs in quality: videos with A2V-DiT's products rounded to it, and without, at equal noise.

The rounding is ``read-core bench``'s (torchao's dynamic float8: inputs and weights in e4m3, a scale per
tensor), imitated on any device. So it tells nothing about speed. Talks are those of the suite distill.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from timing import Page, guarded, load, parser
from torch import Tensor, nn
from tqdm import tqdm

from read_core import ReadPipeline, SamplingSettings
from read_core.ans import DistilledCFG
from read_core.bench.variants import copied, fits_float8
from read_core.evaluation.figures import mean_figures
from read_core.evaluation.material.talks import Talk
from read_core.evaluation.material.videos import encode_framed
from read_core.evaluation.suites.distill import (
    DistillSize,
    VideoFigures,
    against,
    figures_of,
    made,
    talks_of,
)
from read_core.geometry import SAMPLE_RATE
from read_core.records import ResolvedSettings

_LARGEST = 448.0  # of e4m3


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--count", type=int, default=3, help="drawn presenters, and photographs (default: 3)"
    )
    options.add_argument("--seeds", type=int, default=3, help="videos of each (default: 3)")
    options.add_argument("--faces", type=Path, help="folder of portraits (default: drawn presenters only)")
    args = options.parse_args()
    run(args, load(args))


def run(args: argparse.Namespace, pipe: ReadPipeline) -> None:
    """Measure the default guidance, and the student if there is one."""
    talks = talks_of(pipe, DistillSize(args.count, 2, args.seeds), args.faces)
    page = Page("The quality of float8")
    page.say(
        f"{pipe.card.name}, {pipe.transformer.dtype} elsewhere; {len(talks)} talks of two clips, "
        f"{args.seeds} seeds. Differences: with float8 less without, and 95 % intervals over talks."
    )
    rows = []
    for name, settings in settings_of(pipe).items():
        plain, rounded = compared(pipe, talks, settings, args.seeds)
        found = against(rounded, plain)
        rows.append(
            [
                name,
                *(f"{getattr(found, each)}" for each in ("opening", "span", "decibels", "seam")),
                f"{mean_figures(rounded).to_teacher:.1f} dB",
            ]
        )
    page.table(["guidance", "open r", "range", "PSNR to the truth", "seam", "PSNR to the same without"], rows)
    page.save(args.out)


def settings_of(pipe: ReadPipeline) -> dict[str, ResolvedSettings]:
    """The default, and the student's."""
    found = [SamplingSettings()]
    if pipe.defaults.distilled is not None:
        found.append(SamplingSettings(pipe.defaults.distilled.steps, pipe.defaults.distilled.guidance))
    resolved = [settings.resolved(pipe.defaults) for settings in found]
    return {f"{each.guidance.kind}, {each.steps} steps": each for each in resolved}


def compared(
    pipe: ReadPipeline, talks: list[Talk], settings: ResolvedSettings, seeds: int
) -> tuple[list[VideoFigures], list[VideoFigures]]:
    """Figures without float8 and with it, per talk."""
    found: tuple[list[VideoFigures], list[VideoFigures]] = ([], [])
    for talk in tqdm(talks, desc=f"{settings.guidance.kind}, talks", leave=False):
        speech, reference = pipe.encode_speech(talk.waveform, SAMPLE_RATE), encode_framed(pipe, talk.portrait)
        own: tuple[list[VideoFigures], list[VideoFigures]] = ([], [])
        for seed in range(seeds):
            plain, _ = made(pipe, speech, reference, settings, seed)
            with float8(pipe, isinstance(settings.guidance, DistilledCFG)):
                rounded, _ = made(pipe, speech, reference, settings, seed)
            for frames, figures in zip((plain, rounded), own, strict=True):
                figures.append(figures_of(frames, plain, talk, settings.window, (0.0, 0)))
        for figures, of_talks in zip(own, found, strict=True):
            of_talks.append(mean_figures(figures))
    return found


@contextmanager
def float8(pipe: ReadPipeline, distilled: bool) -> Iterator[None]:
    """The pipeline with inputs and weights of the transformer's products rounded to float8."""
    original, device = pipe.transformer, pipe.transformer.device
    changed = nn.Module.to(copied(pipe, distilled), device)
    for name, layer in changed.named_modules():
        if fits_float8(layer, name):
            layer.weight = nn.Parameter(rounded_to_float8(layer.weight), requires_grad=False)
            layer.register_forward_pre_hook(lambda _, given: (rounded_to_float8(given[0]),))
    pipe.transformer = changed
    try:
        yield
    finally:
        pipe.transformer = original
        nn.Module.to(original, device)


def rounded_to_float8(values: Tensor) -> Tensor:
    """``values`` as e4m3 with one scale holds them, in their own type."""
    scale = values.abs().amax().float().clamp(min=1e-12) / _LARGEST
    rounded: Tensor = ((values.float() / scale).to(torch.float8_e4m3fn).float() * scale).to(values.dtype)
    return rounded


if __name__ == "__main__":
    guarded(main)
