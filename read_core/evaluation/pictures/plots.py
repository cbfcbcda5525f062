"""The plot of quality against seconds, as the paper's figure 3. matplotlib is imported here and only here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import OnWarning, warn

_SHOWN = 0.2  # correlations farther below the best than this are cut off: the rest could not be told apart
_MARKS = "os^DvP*X"


def plot_trade_off(
    cells: Sequence[tuple[str, int, float, float, float]], path: Path, on_warning: OnWarning = warn
) -> bool:
    """Draw (guidance, steps, seconds per clip, correlation, PSNR) as one line per guidance in two plots.

    Returns:
        Whether it was drawn: without matplotlib a warning says how to get it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        on_warning(f"{path.name} was not drawn: it needs matplotlib (pip install matplotlib)")
        return False
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    lips, pictures = figure.subplots(1, 2)
    steps = sorted({cell[1] for cell in cells})
    marks = {count: _MARKS[index % len(_MARKS)] for index, count in enumerate(steps)}
    for axes, quality in ((lips, 3), (pictures, 4)):
        for guidance in dict.fromkeys(cell[0] for cell in cells):
            own = [cell for cell in cells if cell[0] == guidance]
            (line,) = axes.plot([cell[2] for cell in own], [cell[quality] for cell in own], label=guidance)
            for cell in own:
                axes.plot(cell[2], cell[quality], marks[cell[1]], color=line.get_color())
        axes.set_xlabel("seconds per clip (sampling and decoding)")
        axes.grid(alpha=0.3)
    best = max(cell[3] for cell in cells)
    lips.set_ylim(best - _SHOWN, best + 0.1 * _SHOWN)
    lips.set_title(f"Lips: r of the opening (not shown: {_SHOWN} below the best)")
    pictures.set_title("Pictures: PSNR to the drawn video (dB)")
    for count in steps:
        pictures.plot([], [], marks[count], color="grey", label=f"{count} steps")
    figure.legend(*pictures.get_legend_handles_labels(), loc="outside right center")
    figure.savefig(path, dpi=110)
    return True
