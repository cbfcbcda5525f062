"""Mouths that follow others in a known way."""

from __future__ import annotations

import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.metrics.mouth_track import score_mouth


@pytest.fixture
def real():
    return torch.rand(60, 3, generator=torch.Generator().manual_seed(0))


def test_a_late_mouth_that_opens_half_as_far_and_rounds_the_other_way(real):
    late = torch.cat([real[:1].expand(2, -1), real[:-2]])
    made = torch.stack([0.5 * late[:, 0], real[:, 1], -real[:, 2]], dim=1)
    found = score_mouth(made, real)
    assert found.lag == 2
    assert found.width == pytest.approx(1)
    assert found.rounding == pytest.approx(-1)
    assert found.span == pytest.approx(0.5, abs=0.02)
    assert found.opening < 0.5


def test_only_frames_that_both_have_count(real):
    longer = torch.cat([real, torch.zeros(40, 3)])
    assert score_mouth(longer, real).opening == pytest.approx(1)
    assert score_mouth(real, longer).span == pytest.approx(1)


def test_too_few_frames_are_refused(real):
    with pytest.raises(InputError, match="3 frames"):
        score_mouth(real, real[:3])
