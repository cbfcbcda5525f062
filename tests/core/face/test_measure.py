"""Measures of the face finder: errors in eye distances, and which photographs have true points."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from read_core.errors import InputError
from read_core.face.measure import point_errors, public_errors


def test_errors_are_in_eye_distances():
    truth = torch.tensor([[0.0, 0.0], [20.0, 0.0], [10.0, 20.0]])
    moved = truth + torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]])
    torch.testing.assert_close(point_errors(moved[None], truth)[0], torch.tensor([0.25, 0.0, 0.1]))


def test_only_photographs_with_points_set_by_hand_are_measured():
    with pytest.raises(InputError, match=r"grace_hopper\.jpg"):
        public_errors(Path("somebody.jpg"))
