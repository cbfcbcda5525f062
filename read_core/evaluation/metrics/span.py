"""Range of a mouth's opening."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_TAIL = 0.05


def opening_span(opening: Tensor) -> float:
    """Range from the 5th to the 95th percentile of an opening (F,)."""
    return float(opening.quantile(1 - _TAIL) - opening.quantile(_TAIL))
