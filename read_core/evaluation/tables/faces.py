"""Tables of the face finder: what it finds by size of the face, and finds and false finds by threshold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ...face.finder import THRESHOLD
from ..figures import column
from .report import Report

if TYPE_CHECKING:
    from ...face.measure import Finds

SIZES = (0.08, 0.16, 0.32, 0.80)  # limits of the rows: height of the face by the shorter side


@dataclass(frozen=True)
class FinderFigures:
    """What is found in pictures with one face each; errors are in eye distances."""

    faces: int = column("faces")
    found: float = column("found (%)")
    eyes: float = column("eyes: median (%)")
    eyes_worst: float = column("95 % (%)")
    mouth: float = column("mouth: median (%)")
    mouth_worst: float = column("95 % (%)")


@dataclass(frozen=True)
class ThresholdFigures:
    """Shares of pictures in which a face, or something else, has at least a score."""

    found: float = column("found (%)")
    wrong: float = column("false finds, pictures without a face (%)")


def add_finds(report: Report, finds: Finds, empty: Tensor, threshold: float = THRESHOLD) -> None:
    """Add the table of finds at one threshold.

    Args:
        report: gets the table.
        finds: in pictures with a face.
        empty: (n,) the best scores in pictures without a face.
        threshold: least score of a find.
    """
    found = finds.scores >= threshold
    rows = []
    for low, high in [*pairwise(SIZES), (SIZES[0], SIZES[-1])]:
        row = (finds.sizes >= low) & (finds.sizes < (2.0 if high == SIZES[-1] else high))
        near = row & found
        if not near.any():
            continue
        errors = (
            100 * float(each[near].quantile(share))
            for each in (finds.eyes, finds.mouths)
            for share in (0.5, 0.95)
        )
        rows.append(
            (f"{low:.2f} to {high:.2f}", FinderFigures(int(row.sum()), _percent(found[row]), *errors))
        )
    note = (
        f"False finds at {threshold}: in {_percent(empty >= threshold):.1f} % of {len(empty)} pictures "
        f"without a face, in {_percent(finds.others >= threshold):.1f} % of those with one."
    )
    report.add_figures("Faces", "face, share of the side", FinderFigures, rows, note)


def add_thresholds(report: Report, finds: Finds, empty: Tensor) -> None:
    """Add the table of finds and false finds for each threshold, see :func:`add_finds`."""
    rows = [
        (
            f"{threshold:.2f}",
            ThresholdFigures(_percent(finds.scores >= threshold), _percent(empty >= threshold)),
        )
        for threshold in np.arange(0.1, 0.96, 0.05)
    ]
    report.add_figures("Thresholds", "threshold", ThresholdFigures, rows)


def _percent(which: Tensor) -> float:
    return 100 * float(which.float().mean())
