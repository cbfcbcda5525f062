"""The figures: errors in eye distances, and what counts as found."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from read_core.errors import InputError
from read_core.face.measure import Finds, point_errors, public_errors, table


def test_errors_are_in_eye_distances():
    truth = torch.tensor([[0.0, 0.0], [20.0, 0.0], [10.0, 20.0]])
    moved = truth + torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]])
    torch.testing.assert_close(point_errors(moved[None], truth)[0], torch.tensor([0.25, 0.0, 0.1]))


def test_the_table_counts_at_the_threshold():
    finds = Finds(
        sizes=torch.tensor([0.1, 0.1, 0.2, 0.5]),
        scores=torch.tensor([0.9, 0.3, 0.8, 0.0]),
        eyes=torch.tensor([0.01, 0.2, 0.03, torch.inf]),
        mouths=torch.tensor([0.02, 0.2, 0.04, torch.inf]),
        others=torch.tensor([0.0, 0.6, 0.0, 0.0]),
    )
    text = table(finds, torch.tensor([0.1, 0.7, 0.2, 0.3, 0.1]), threshold=0.5)
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| 0.")]
    assert [row[2].strip() for row in rows] == ["2", "1", "4"]
    assert [row[3].strip() for row in rows] == ["50.0 %", "100.0 %", "50.0 %"]
    assert rows[-1][4].strip() == "2.00 %"
    assert "in 20.0 % of 5 pictures without" in text
    assert "in 25.0 % of those with one" in text


def test_only_photographs_with_points_set_by_hand_are_measured():
    with pytest.raises(InputError, match=r"grace_hopper\.jpg"):
        public_errors(Path("somebody.jpg"))
