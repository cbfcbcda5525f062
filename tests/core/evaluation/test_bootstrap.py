"""Intervals over videos: they hold the truth about as often as they say, and depend on the seed alone."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.evaluation.bootstrap import ratio_of_means


def test_the_value_is_the_ratio_of_means_of_whole_pairs():
    ratio = ratio_of_means([2.0, 4.0, math.nan], [1.0, 3.0, 100.0])
    assert ratio.value == pytest.approx(6 / 4)
    assert ratio.low <= ratio.value <= ratio.high
    assert (ratio.low, ratio.high) == pytest.approx((4 / 3, 2.0))  # the lesser or the greater pair twice


def test_the_same_seed_gives_the_same_interval_and_a_proportion_no_width():
    over, under = torch.rand(2, 20, generator=torch.Generator().manual_seed(0)).tolist()
    assert ratio_of_means(over, under, 1) == ratio_of_means(over, under, 1)
    assert ratio_of_means(over, under, 1) != ratio_of_means(over, under, 2)
    same = ratio_of_means([3 * value for value in under], under)
    assert (same.low, same.value, same.high) == pytest.approx((3, 3, 3))


def test_the_interval_holds_the_truth_in_most_experiments():
    generator = torch.Generator().manual_seed(0)
    held = 0
    for seed in range(200):
        under = 1 + 0.2 * torch.randn(30, generator=generator)
        over = 1.5 * (1 + 0.2 * torch.randn(30, generator=generator))
        ratio = ratio_of_means(over.tolist(), under.tolist(), seed)
        held += ratio.low <= 1.5 <= ratio.high
    assert 178 <= held <= 199  # 95 % of 200, less what small samples cost


def test_nothing_to_divide_by_is_a_dash_and_one_video_has_no_interval():
    for over, under in (([], []), ([math.nan], [1.0]), ([1.0], [0.0])):
        assert str(ratio_of_means(over, under)) == "-"
    assert str(ratio_of_means([1.0], [2.0])) == "0.500"
    assert str(ratio_of_means([1.0, 1.0], [2.0, 2.0])) == "0.500 (0.500 to 0.500)"
