"""Held-out material: what is known of a video stays with its frames."""

from __future__ import annotations

import pytest
import torch


@pytest.mark.corpus
def test_a_cut_keeps_its_own_closures_only(sample):
    assert len(sample.closures) > 2
    start = int(sample.closures[1])
    cut = sample.cut(int(sample.closures[-1]) - start, start)
    assert cut.closures.tolist() == [int(frame) - start for frame in sample.closures[1:-1]]
    assert torch.equal(cut.mouth[cut.closures], sample.mouth[sample.closures[1:-1]])


@pytest.mark.corpus
def test_lips_meet_in_every_closure(sample):
    assert sample.mouth[sample.closures, 0].max() < 0.1
