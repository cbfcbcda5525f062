"""PSNR against its definition."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.metrics.psnr import BEST, in_boxes, psnr, psnr_in_boxes


def test_a_known_error():
    true = torch.full((2, 8, 8, 3), 0.5)
    assert psnr(true + 0.1, true) == pytest.approx(20, abs=1e-4)
    assert psnr(true, true) == BEST


def test_it_is_minus_ten_log_of_the_mean_squared_error():
    a, b = torch.rand(3, 6, 5, 3), torch.rand(3, 6, 5, 3)
    assert psnr(a, b) == pytest.approx(-10 * math.log10((a - b).square().mean().item()), abs=1e-4)


def test_only_the_box_counts():
    true = torch.zeros(2, 10, 10, 3)
    wrong = true.clone()
    wrong[:, :, 5:] = 1.0
    left = torch.tensor([[0.0, 0.0, 5.0, 10.0]]).expand(2, 4)
    assert psnr_in_boxes(wrong, true, left) == BEST
    assert psnr_in_boxes(wrong, true, left + torch.tensor([5.0, 0, 5, 0])) == pytest.approx(0)


def test_a_box_holds_the_pixels_with_centers_in_it():
    inside = in_boxes(torch.tensor([[1.2, 0.6, 3.6, 2.5]]), 4, 5)[0]
    assert inside.nonzero().tolist() == [[1, 1], [1, 2], [1, 3]]


def test_shapes_and_boxes_are_checked():
    frames = torch.zeros(1, 4, 4, 3)
    with pytest.raises(InputError, match="shape"):
        psnr(frames, torch.zeros(1, 4, 5, 3))
    with pytest.raises(InputError, match="no pixel"):
        psnr_in_boxes(frames, frames, torch.tensor([[9.0, 9.0, 10.0, 10.0]]))
