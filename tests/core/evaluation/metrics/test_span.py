"""The range of an opening."""

from __future__ import annotations

import pytest
import torch

from read_core.evaluation.metrics.span import opening_span


def test_the_span_leaves_out_a_twentieth_at_either_end():
    track = torch.linspace(0, 1, 101)[torch.randperm(101, generator=torch.Generator().manual_seed(0))]
    assert opening_span(track) == pytest.approx(0.9)
    assert opening_span(2 * track + 1) == pytest.approx(1.8)
    assert opening_span(torch.full((9,), 0.4)) == 0
