"""What a run has measured so far, as a report that is written after each row."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..evaluation.tables.report import Report
from ..geometry import FPS
from ..records import ResolvedSettings
from ..version import __version__
from .material import Material
from .measure import Speed, Stage, measure, measure_stages
from .variants import Variant

_STAGES_NOTE = (
    "Median, least and most of the rounds. The alternative makes the same clips by Algorithm 1 with the same "
    "weights, tokens, steps and branches. It has no audio branch, a time per token, and projects the text in "
    "every evaluation."
)
_VARIANTS_NOTE = (
    "End to end: from speech codes and reference to uint8 frames in main memory, clip by clip (wavefront and "
    "steps: after all is sampled); writing a file is not included. Frames per second: the 8 (W - 2) new ones "
    "of a clip after the first, by the seconds of a clip. Memory: of tensors on a GPU, else of the process "
    "with its libraries. TFLOP/s: of sampling, without keys and values of speech and text."
)


@dataclass
class Results:
    """The tables of a run.

    Attributes:
        facts: about models and machine.
        stages: figures by stage.
        rows: figures by variant.
        missing: variants without figures, and why.
    """

    facts: Mapping[str, Any]
    stages: dict[str, Stage] = field(default_factory=dict)
    rows: dict[str, Speed] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def measure(self, name: str, material: Material, variant: Variant, ceiling: float, rounds: int) -> None:
        """Add the row of a variant, see ``measure.measure``."""
        self.rows[name] = measure(material, variant, ceiling, rounds)

    def measure_stages(self, material: Material, settings: ResolvedSettings, rounds: int) -> None:
        """Add the stages, see ``measure.measure_stages``."""
        self.stages = measure_stages(material, settings, rounds)

    def report(self) -> Report:
        """All of it as tables."""
        report = Report("Speed", dict(self.facts))
        report.add_figures("Stages", "stage", Stage, list(self.stages.items()), _STAGES_NOTE)
        report.add_figures("Variants", "variant", Speed, list(self.rows.items()), _VARIANTS_NOTE)
        if self.missing:
            report.add("Not measured", ["variant", "reason"], [list(row) for row in self.missing.items()])
        return report

    def write(self, folder: Path) -> None:
        """Write ``bench`` .txt, .md, .csv, .json and .png into ``folder``."""
        self.report().write(folder, "bench")
        plot(self.rows, folder / "bench.png")


def facts(name: str, size: tuple[int, int], ceiling: float, settings: Mapping[str, Any]) -> dict[str, Any]:
    """About models and machine.

    Args:
        name: of the checkpoint.
        size: (height, width) of the video.
        ceiling: FLOP/s of a matrix product.
        settings: the options that matter.
    """
    graphics = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "models": name,
        "size": f"{size[1]} x {size[0]}",
        **settings,
        "GPU": graphics,
        "machine": f"{platform.machine()}, {os.cpu_count()} logical cores, {torch.get_num_threads()} threads",
        "matrix product, TFLOP/s": ceiling / 1e12,
        "torch": torch.__version__,
        "read-core": __version__,
    }


def plot(rows: Mapping[str, Speed], path: Path) -> None:
    """Frames per second of each variant, next to the line of real time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1 + 0.4 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(list(rows), [speed.fps for speed in rows.values()])
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.axvline(FPS, color="gray", linestyle="--", label=f"real time, {FPS} frames per second")
    axes.invert_yaxis()
    axes.set_xlabel("frames per second, end to end")
    axes.legend()
    figure.savefig(path, dpi=120)
