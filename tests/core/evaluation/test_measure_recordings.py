"""scripts/measure_recordings.py: what counts as a pause, and the figures of a known mouth."""

from __future__ import annotations

import pytest
import torch
from measure_recordings import pause_frames, recording_figures


def test_a_pause_is_silent_for_nine_frames():
    loudness = torch.zeros(60)
    loudness[20:30] = 1.0
    loudness[45] = 0.04
    silent = pause_frames(loudness)
    assert silent[:16].all()
    assert not silent[16:34].any()
    assert silent[34:].all()


def test_figures_of_a_mouth_that_is_the_loudness_two_frames_late():
    time = torch.arange(200.0)
    loudness = torch.where(time < 150, (0.2 * time).sin().square(), torch.zeros(()))
    figures = recording_figures(0.1 + 0.5 * loudness.roll(2), loudness, 8.0)
    assert figures.lag == 2
    assert 0.7 < figures.follows < 1
    assert figures.quiet == pytest.approx(0.0, abs=0.01)
    assert figures.pauses == 46
    assert figures.span == pytest.approx(0.5, abs=0.02)


def test_a_mouth_that_stays_open_in_pauses_is_found():
    loudness = torch.cat([torch.ones(50), torch.zeros(50)])
    opening = torch.cat([torch.linspace(0, 1, 50), torch.full((50,), 0.5)])
    assert recording_figures(opening, loudness, 4.0).quiet == pytest.approx(0.5, abs=0.02)
