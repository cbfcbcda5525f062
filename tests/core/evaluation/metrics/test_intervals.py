"""Intervals over videos hold the truth about as often as they say, for few videos too."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.evaluation.metrics.intervals import (
    difference_of_means,
    ratio_of_means,
    ratio_of_ratios,
    share_of,
)


def lognormal(generator, count, columns, spread):
    """(columns, count) of mean 1 that vary together in part."""
    shared = torch.randn(count, generator=generator, dtype=torch.float64)
    own = torch.randn(columns, count, generator=generator, dtype=torch.float64)
    return (spread * (0.5**0.5) * (shared + own) - spread**2 / 2).exp()


def test_the_value_is_the_ratio_of_means_of_whole_pairs():
    ratio = ratio_of_means([2.0, 4.0, math.nan], [1.0, 3.0, 100.0])
    assert ratio.value == pytest.approx(6 / 4)
    assert ratio.low < ratio.value < ratio.high


def test_a_proportion_has_no_width():
    under = torch.rand(20, generator=torch.Generator().manual_seed(0)).tolist()
    same = ratio_of_means([3 * value for value in under], under)
    assert (same.low, same.value, same.high) == pytest.approx((3, 3, 3))


@pytest.mark.parametrize("spread", [0.3, 0.6])
@pytest.mark.parametrize("count", [6, 12])
def test_ratios_of_few_videos_hold_the_truth_as_often_as_they_say(count, spread):
    generator = torch.Generator().manual_seed(count)
    held = 0
    for _ in range(1000):
        over, under = lognormal(generator, count, 2, spread).tolist()
        ratio = ratio_of_means([1.5 * value for value in over], under)
        held += ratio.low <= 1.5 <= ratio.high
    assert 920 <= held <= 970  # 95 % of 1000, with a standard deviation of 7


def test_ratios_of_ratios_of_few_videos_hold_the_truth_as_often_as_they_say():
    generator = torch.Generator().manual_seed(0)
    held = 0
    for _ in range(1000):
        ratio = ratio_of_ratios(*lognormal(generator, 6, 4, 0.4).tolist())
        held += ratio.low <= 1 <= ratio.high
    assert 920 <= held <= 970


def test_a_ratio_of_ratios_is_that_of_the_means():
    columns = [[1.0, 5.0], [2.0, 4.0], [3.0, 1.0], [7.0, 1.0]]
    means = [3.0, 3.0, 2.0, 4.0]
    assert ratio_of_ratios(*columns).value == pytest.approx((means[0] / means[1]) / (means[2] / means[3]))


def test_a_difference_has_the_interval_of_a_paired_t_test():
    values, base = [1.0, 2.0, 4.0, math.nan], [0.5, 1.0, 1.5, 9.0]  # differences 0.5, 1, 2.5
    found = difference_of_means(values, base)
    assert found.value == pytest.approx(4 / 3)
    reach = 4.3027 * torch.tensor([0.5, 1.0, 2.5]).std().item() / 3**0.5
    assert (found.low, found.high) == pytest.approx((4 / 3 - reach, 4 / 3 + reach), rel=1e-4)
    assert str(difference_of_means([-1.0], [1.0])) == "-2.000"
    assert str(difference_of_means([1.0, 1.0], [1.0, 1.0])) == "0.000"
    assert str(difference_of_means([math.nan], [1.0])) == "-"


def test_a_difference_of_shares_counts_every_case_alike():
    found = difference_of_means([9.0, 0.0], [10.0, 2.0], [10.0, 2.0])
    assert found.value == pytest.approx(9 / 12 - 1)
    without = torch.tensor([-2 / 2, -1 / 10])  # the second video alone, the first alone
    reach = 12.7062 * without.std(correction=0).item()
    assert (found.value - found.low, found.high - found.value) == pytest.approx((reach, reach), rel=1e-4)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (45, 50, 0.7864, 0.9565)],
)
def test_a_share_has_wilsons_interval(hits, count, low, high):
    share = share_of(hits, count)
    assert share.value == hits / count
    assert (share.low, share.high) == pytest.approx((low, high), abs=1e-4)


def test_a_share_of_nothing_is_a_dash():
    assert str(share_of(0, 0)) == "-"


def test_nothing_to_divide_by_is_a_dash_and_one_video_has_no_interval():
    for over, under in (([], []), ([math.nan], [1.0]), ([1.0], [0.0]), ([1.0, 2.0], [-1.0, 0.5])):
        assert str(ratio_of_means(over, under)) == "-"
    assert str(ratio_of_means([1.0], [2.0])) == "0.500"
    assert str(ratio_of_means([1.0, 1.0], [2.0, 2.0])) == "0.500 (0.500 to 0.500)"


@pytest.mark.parametrize(("over", "under"), [([1.0, 2.0], [-0.1, 3.0]), ([-1.0, 2.0], [1.0, 3.0])])
def test_values_that_are_not_all_positive_have_a_ratio_without_an_interval(over, under):
    ratio = ratio_of_means(over, under)
    assert ratio.value == pytest.approx(sum(over) / sum(under))
    assert math.isnan(ratio.low)
    assert math.isnan(ratio.high)
    assert ratio.interval == "-"
