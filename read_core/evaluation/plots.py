"""The plot of quality against seconds, as the paper's figure 3. matplotlib is imported here and only here."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from ..errors import ReadWarning


def plot_trade_off(cells: Sequence[tuple[str, int, float, float]], path: Path) -> bool:
    """Draw (guidance, steps, seconds per clip, correlation) as one line per guidance.

    Returns:
        Whether it was drawn: without matplotlib a ReadWarning says how to get it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        warnings.warn(
            f"{path.name} was not drawn: it needs matplotlib (pip install matplotlib)",
            ReadWarning,
            stacklevel=2,
        )
        return False
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for guidance in dict.fromkeys(cell[0] for cell in cells):
        own = [cell for cell in cells if cell[0] == guidance]
        axes.plot([cell[2] for cell in own], [cell[3] for cell in own], marker="o", label=guidance)
        for _, steps, seconds, quality in own:
            axes.annotate(str(steps), (seconds, quality), textcoords="offset points", xytext=(4, 4))
    axes.set_xlabel("seconds per clip (sampling and decoding)")
    axes.set_ylabel("correlation of the mouth's opening with the truth")
    axes.set_title("Guidance at different numbers of steps")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    return True
