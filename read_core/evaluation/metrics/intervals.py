"""95 % intervals over videos for ratios and differences of means and for shares; valid for few videos.

Ratios and differences of means leave one video out at a time (the jackknife) and take Student's t for as many
videos as there are; ratios do so in logarithms. The figures of one video stay together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; NaN if it cannot be computed."""

    value: float
    low: float = _NAN
    high: float = _NAN

    @property
    def interval(self) -> str:
        """The interval as text, for example "0.950 to 1.020"; a dash if there is none."""
        return "-" if math.isnan(self.low) else f"{self.low:.3f} to {self.high:.3f}"

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.3f}" + ("" if math.isnan(self.low) else f" ({self.interval})")


def ratio_of_means(over: Sequence[float], under: Sequence[float]) -> Estimate:
    """mean(over) / mean(under) of the same videos.

    Args:
        over, under: a value per video; a video with a NaN is left out. A single one has no interval, nor have
            values that are not all positive; a mean below that is not positive gives no ratio either.

    Raises:
        ValueError: lengths that differ.
    """
    return _ratio_estimate((over,), (under,))


def ratio_of_ratios(
    over: Sequence[float], under: Sequence[float], base_over: Sequence[float], base_under: Sequence[float]
) -> Estimate:
    """(mean(over) / mean(under)) / (mean(base_over) / mean(base_under)); see :func:`ratio_of_means`."""
    return _ratio_estimate((over, base_under), (under, base_over))


def difference_of_means(
    values: Sequence[float], base: Sequence[float], cases: Sequence[float] | None = None
) -> Estimate:
    """mean(values) - mean(base) of the same videos; a video with a NaN is left out.

    A single video has no interval, nor have several that all differ by the same: they do not tell how much
    others would.

    Args:
        values, base: a value per video; or sums over the cases of each.
        cases: how many cases each has; the means are then over all cases. None: one each.

    Raises:
        ValueError: lengths that differ.
    """
    table = _complete_rows(values, base, [1.0] * len(values) if cases is None else cases)
    if len(table) == 0 or float(table[:, 2].sum()) == 0:
        return Estimate(_NAN)
    sums = torch.stack([table[:, 0] - table[:, 1], table[:, 2]], dim=1)
    value = float(sums[:, 0].sum() / sums[:, 1].sum())
    if len(sums) == 1:
        return Estimate(value)
    without = _jackknife_means(sums)
    reach = _half_width(without[:, 0] / without[:, 1])
    return Estimate(value, value - reach, value + reach) if reach > 0 else Estimate(value)


def share_of(hits: int, count: int) -> Estimate:
    """hits / count with Wilson's interval, which holds for shares near 0 and 1 too; NaN for none."""
    from scipy.stats import binomtest

    if count == 0:
        return Estimate(_NAN)
    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return Estimate(hits / count, float(interval.low), float(interval.high))


def _ratio_estimate(over: Sequence[Sequence[float]], under: Sequence[Sequence[float]]) -> Estimate:
    """Product of the means of ``over`` by that of ``under``."""
    values = _complete_rows(*over, *under)
    if len(values) == 0:
        return Estimate(_NAN)
    signs = torch.tensor([1.0] * len(over) + [-1.0] * len(under), dtype=torch.float64)
    means = values.mean(dim=0)
    if not bool((means[signs < 0] > 0).all()):
        return Estimate(_NAN)
    value = float((means**signs).prod())
    if len(values) == 1 or not bool((values > 0).all()):
        return Estimate(value)
    reach = _half_width(_jackknife_means(values).log() @ signs)
    return Estimate(value, value * math.exp(-reach), value * math.exp(reach))


def _complete_rows(*columns: Sequence[float]) -> Tensor:
    """(videos, columns) of those videos that have every figure."""
    values = torch.tensor(list(zip(*columns, strict=True)), dtype=torch.float64).view(-1, len(columns))
    return values[values.isfinite().all(dim=1)]


def _jackknife_means(values: Tensor) -> Tensor:
    """Means of all but one of ``values`` (n, ...): (n, ...)."""
    return (values.sum(dim=0) - values) / (len(values) - 1)


def _half_width(without: Tensor) -> float:
    """Half the interval of a figure whose values without one video each are (n,)."""
    from scipy.stats import t

    freedom = len(without) - 1
    deviation = float((freedom * without.var(correction=0)).sqrt())
    return deviation * float(t.ppf(0.975, freedom))
