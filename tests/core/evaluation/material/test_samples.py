"""Held-out material: what is known of a video stays with its frames."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.drawing.render import mouth_box
from read_core.corpus.motion import sample_motion
from read_core.corpus.scene import loudness


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


@pytest.mark.corpus
def test_the_head_moves_as_in_no_training_video(sample):
    """The tiny sample is face 0 of the test split, 41 frames of 64 x 96."""
    energy = loudness(sample.waveform, 41)
    held_out, training = (
        mouth_box(sample.presenter, sample_motion(0, 41, energy, split), (64, 96))
        for split in ("test", "train")
    )
    assert torch.allclose(sample.boxes, held_out)
    assert not torch.allclose(sample.boxes, training, atol=0.1)
