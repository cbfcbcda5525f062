"""Mean faces at known distances."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.evaluation.metrics.likeness import face_colors, score_likeness


def test_colors_are_means_of_blocks():
    crop = torch.rand(64, 64, 3)
    expected = crop.view(32, 2, 32, 2, 3).mean((1, 3)).permute(2, 0, 1)
    torch.testing.assert_close(face_colors(crop), expected)


def test_distances_are_root_mean_squares_and_the_nearest_is_told():
    own = torch.rand(3, 32, 32)
    made = own + 10 / 255
    found = score_likeness(made, own, [own + 13 / 255, own - 1])
    assert found.own == pytest.approx(10, rel=1e-4)
    assert found.other == pytest.approx(3, rel=1e-4)
    assert found.recognized == 0
    assert found.likeness == pytest.approx(1)
    assert score_likeness(made, own, [own - 1]).recognized == 1
    assert math.isnan(score_likeness(made, own, []).recognized)
