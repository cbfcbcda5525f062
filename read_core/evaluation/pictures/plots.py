"""The plot of quality against seconds for guidances and numbers of steps: the paper's Fig. 3."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ...errors import MediaError
from ..figures import Value, columns_of, number
from ..tables.paper import PaperFigures

_MARKS = "os^DvP*X"
_LESS = ("fid", "fvd", "efid", "distance", "own")  # smaller is better
_MORE = ("confidence", "opening")
_COLUMNS = 3
_CUT = 3  # times the least: what lies above is not shown


@dataclass(frozen=True)
class TradeOff:
    """Figures of a guidance at a number of steps."""

    guidance: str
    steps: int
    figures: PaperFigures


def plot_trade_off(cells: Sequence[TradeOff], path: Path) -> list[str]:
    """Draw qualities against the network's seconds, and the seconds against steps.

    These are distances, Sync-C and the opening; one that was not measured has no panel.

    Distances above three times the least are not shown.

    Args:
        cells: several numbers of steps for each guidance, which is a line.
        path: ``*.png``.

    Returns:
        The titles of the drawn qualities.

    Raises:
        MediaError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    titles = dict(zip((each.name for each in fields(PaperFigures)), columns_of(PaperFigures), strict=True))
    drawn = [name for name in (*_LESS, *_MORE) if any(_is_number(_value(cell, name)) for cell in cells)]
    columns = min(_COLUMNS, len(drawn) + 1)
    rows = -(-(len(drawn) + 1) // columns)
    figure = Figure(figsize=(3.6 * columns + 1.8, 3.4 * rows), layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).flatten()
    panels = every[: len(drawn) + 1]
    for unused in every[len(panels) :]:
        unused.set_axis_off()
    steps = sorted({cell.steps for cell in cells})
    marks = {count: _MARKS[index % len(_MARKS)] for index, count in enumerate(steps)}
    for index, guidance in enumerate(dict.fromkeys(cell.guidance for cell in cells)):
        own = sorted((cell for cell in cells if cell.guidance == guidance), key=lambda cell: cell.steps)
        seconds = [number(cell.figures.network) for cell in own]
        color = f"C{index}"
        for axes, name in zip(panels, drawn, strict=False):
            values = [number(_value(cell, name)) for cell in own]
            axes.plot(seconds, values, color=color, label=guidance)
            for cell, second, value in zip(own, seconds, values, strict=True):
                axes.plot(second, value, marks[cell.steps], color=color)
        counts = [cell.steps for cell in own]
        panels[-1].plot(counts, seconds, color=color, label=guidance)
        panels[-1].plot(counts, [number(cell.figures.total) for cell in own], "--", color=color)
    for axes, name in zip(panels, drawn, strict=False):
        axes.set(xlabel="network, seconds per video", title=f"{titles[name]} ({_direction(name)})")
        if name in _LESS:
            axes.set_ylim(top=_axis_end([number(_value(cell, name)) for cell in cells]))
        axes.grid(alpha=0.3)
    panels[-1].set(xlabel="steps", ylim=(0, None), title="seconds: network, total (dashed)")
    panels[-1].set_xticks(steps)
    panels[-1].grid(alpha=0.3)
    for count in steps:
        panels[-1].plot([], [], marks[count], color="gray", label=f"{count} steps")
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    try:
        figure.savefig(path, dpi=110, bbox_inches="tight")
    except OSError as error:
        raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error
    return [titles[name] for name in drawn]


def _value(cell: TradeOff, name: str) -> Value:
    value: Value = getattr(cell.figures, name)
    return value


def _is_number(value: Value) -> bool:
    return number(value) == number(value)


def _axis_end(values: Sequence[float]) -> float | None:
    """Where an axis ends on which less is better, so that a broken guidance does not flatten the others."""
    known = [value for value in values if math.isfinite(value)]
    return _CUT * min(known) if max(known) > _CUT * min(known) > 0 else None


def _direction(name: str) -> str:
    return "less is better" if name in _LESS else "more is better"
