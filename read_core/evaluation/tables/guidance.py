"""The table of guidances and steps, and its plot: the paper's figure 3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...geometry import FPS
from ...records import SamplingSettings
from ..figures import mean
from ..material.sample_set import SampleSet
from ..material.videos import VideoGenerator
from ..metrics.psnr import psnr
from ..pictures.plots import plot_trade_off
from ..suites.guidance import GuidanceFigures, compared_with, describe

if TYPE_CHECKING:
    from ..material.samples import Sample
    from .report import Report


def add_guidance(
    report: Report,
    generator: VideoGenerator,
    samples: Sequence[Sample],
    steps: Sequence[int],
    seed: int,
    plot: Path,
) -> None:
    """Quality against seconds for each guidance and number of steps, as a table and as a ``plot``."""
    forms = compared_with(generator.pipe.defaults.guidance)
    rows: list[tuple[str, GuidanceFigures]] = []
    with tqdm(total=len(forms) * len(steps), desc="guidance", leave=False) as progress:
        for form in forms:
            for count in steps:
                sample_set = SampleSet(
                    generator, samples, SamplingSettings(count, form, seed=seed), describe(form)
                )
                figures = GuidanceFigures(
                    steps=count,
                    seconds=mean(video.seconds for video in sample_set.videos),
                    opening=mean(score.opening for score in sample_set.scores),
                    shape=mean(0.5 * (score.width + score.rounding) for score in sample_set.scores),
                    decibels=mean(
                        psnr(video.frames, sample.frames)
                        for sample, video in zip(samples, sample_set.videos, strict=True)
                    ),
                )
                rows.append((describe(form), figures))
                progress.update()
    report.add_figures(
        "Guidance and steps",
        "guidance",
        GuidanceFigures,
        rows,
        f"{len(samples)} videos of one clip ({len(samples[0].mouth) / FPS:.2f} s) each; seconds of sampling "
        "and decoding on this machine. PSNR to the drawn video, whose head moves otherwise: it tells broken "
        "colours. The first guidance is the checkpoint's default, chosen on the validation split; of the "
        "other kinds several scales stand here, so that none is judged by a scale that does not suit it.",
    )
    plot_trade_off(rows, plot)
