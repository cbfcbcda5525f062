"""The plot of quality against seconds, as the paper's figure 3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..suites.guidance import GuidanceFigures

_SHOWN = 0.2  # correlations farther below the best than this are cut off: the rest could not be told apart
_MARKS = "os^DvP*X"


def plot_trade_off(cells: Sequence[tuple[str, GuidanceFigures]], path: Path) -> None:
    """Draw lips and pictures against seconds as one line per guidance in two plots.

    Args:
        cells: names of guidances, each with its figures at several numbers of steps.
        path: ``*.png``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    lips, pictures = figure.subplots(1, 2)
    steps = sorted({found.steps for _, found in cells})
    marks = {count: _MARKS[index % len(_MARKS)] for index, count in enumerate(steps)}
    for guidance in dict.fromkeys(name for name, _ in cells):
        own = [found for name, found in cells if name == guidance]
        seconds = [found.seconds for found in own]
        qualities = [found.opening for found in own], [found.decibels for found in own]
        for axes, values in zip((lips, pictures), qualities, strict=True):
            (line,) = axes.plot(seconds, values, label=guidance)
            for found, value in zip(own, values, strict=True):
                axes.plot(found.seconds, value, marks[found.steps], color=line.get_color())
    for axes in (lips, pictures):
        axes.set_xlabel("seconds per clip (sampling and decoding)")
        axes.grid(alpha=0.3)
    best = max(found.opening for _, found in cells)
    lips.set_ylim(best - _SHOWN, best + 0.1 * _SHOWN)
    lips.set_title(f"Lips: r of the opening (not shown: {_SHOWN} below the best)")
    pictures.set_title("Pictures: PSNR to the drawn video (dB)")
    for count in steps:
        pictures.plot([], [], marks[count], color="grey", label=f"{count} steps")
    figure.legend(*pictures.get_legend_handles_labels(), loc="outside right center")
    figure.savefig(path, dpi=110)
