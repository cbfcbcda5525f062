"""Confidence intervals over videos: by drawing as many of them again and again, with replacement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

_DRAWS = 4000
_LEVEL = 0.95


@dataclass(frozen=True)
class Ratio:
    """A ratio of means with its 95 % interval; NaN for what cannot be told."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> str:
        """As "0.950 to 1.020"; a dash for none."""
        return "-" if math.isnan(self.low) else f"{self.low:.3f} to {self.high:.3f}"

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.3f}" + ("" if math.isnan(self.low) else f" ({self.interval})")


def ratio_of_means(over: Sequence[float], under: Sequence[float], seed: int = 0) -> Ratio:
    """mean(over) / mean(under) of the same videos, which are drawn together.

    Args:
        over, under: a value per video; a pair with a NaN is left out. A single pair has no interval.
        seed: of the draws.

    Raises:
        ValueError: lengths that differ.
    """
    pairs = torch.tensor(list(zip(over, under, strict=True)), dtype=torch.float64).view(-1, 2)
    pairs = pairs[pairs.isfinite().all(dim=1)]
    nothing = float("nan")
    if len(pairs) == 0 or float(pairs[:, 1].mean()) <= 0:
        return Ratio(nothing, nothing, nothing)
    value = float(pairs[:, 0].mean() / pairs[:, 1].mean())
    if len(pairs) == 1:
        return Ratio(value, nothing, nothing)
    generator = torch.Generator().manual_seed(seed)
    drawn = pairs[torch.randint(len(pairs), (_DRAWS, len(pairs)), generator=generator)].mean(dim=1)
    ratios = drawn[:, 0] / drawn[:, 1].clamp(min=1e-12)
    tail = (1 - _LEVEL) / 2
    return Ratio(value, float(ratios.quantile(tail)), float(ratios.quantile(1 - tail)))
