"""The table of guidances and steps, and its plot: the paper's figure 3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...geometry import FPS
from ...records import SamplingSettings
from ..material.cast import Cast
from ..material.videos import Studio
from ..metrics.psnr import psnr
from ..pictures.plots import plot_trade_off
from ..suites.guidance import compared_with, describe
from .report import Report, mean

if TYPE_CHECKING:
    from ..material.samples import Sample


def add_guidance(
    report: Report, studio: Studio, samples: Sequence[Sample], steps: Sequence[int], seed: int, plot: Path
) -> None:
    """Quality against seconds for each guidance and number of steps, as a table and as a ``plot``."""
    forms = compared_with(studio.pipe.defaults.guidance)
    rows, points = [], []
    with tqdm(total=len(forms) * len(steps), desc="guidance", leave=False) as progress:
        for form in forms:
            for count in steps:
                cast = Cast(studio, samples, SamplingSettings(count, form, seed=seed), describe(form))
                seconds = mean(video.seconds for video in cast.videos)
                closeness = mean(psnr(v.frames, s.frames) for s, v in zip(samples, cast.videos, strict=True))
                opening = mean(score.opening for score in cast.scores)
                rest = mean(0.5 * (score.width + score.rounding) for score in cast.scores)
                rows.append((describe(form), count, seconds, opening, rest, closeness))
                points.append((describe(form), count, seconds, opening, closeness))
                progress.update()
    report.add(
        "Guidance and steps",
        ("guidance", "steps", "seconds per clip", "open r", "width, round r", "PSNR to drawn (dB)"),
        rows,
        f"{len(samples)} videos of one clip ({len(samples[0].mouth) / FPS:.2f} s) each; seconds of sampling "
        "and decoding on this machine. PSNR to the drawn video, whose head moves otherwise: it tells broken "
        "colours. The first guidance is the checkpoint's default, chosen on the validation split; of the "
        "other kinds several scales stand here, so that none is judged by a scale that does not suit it.",
    )
    plot_trade_off(points, plot)
