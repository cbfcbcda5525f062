"""Correlation, lag, closures and silence, on tracks whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.corpus.visemes import CLOSED as CLOSED_VISEME
from read_core.corpus.visemes import SILENT
from read_core.errors import InputError
from read_core.evaluation.sync import (
    CLOSED_CLASS,
    SILENT_CLASS,
    best_lag,
    closure_frames,
    closures_by_chance,
    closures_hit,
    common_lag,
    correlation,
    opening_range,
    score_sync,
    silence_closed,
)


def track(frames=120, seed=0):
    """Smooth noise in 0..1, (frames, 3)."""
    noise = torch.randn(frames + 4, 3, generator=torch.Generator().manual_seed(seed))
    return noise.unfold(0, 5, 1).mean(dim=2).sigmoid()


def test_classes_are_those_of_the_corpus():
    assert (SILENT_CLASS, CLOSED_CLASS) == (SILENT, CLOSED_VISEME)


def test_correlation_is_numpys():
    a, b = track(seed=1)[:, 0], track(seed=2)[:, 0]
    assert correlation(a, b) == pytest.approx(torch.corrcoef(torch.stack([a, b]).double())[0, 1].item())
    assert correlation(a, 3 - 2 * a) == pytest.approx(-1)


@pytest.mark.parametrize("broken", [torch.full((50,), 0.3), torch.full((50,), math.nan)])
def test_a_track_that_does_not_move_has_no_correlation(broken):
    assert correlation(broken, track(50)[:, 0]) == 0.0


@pytest.mark.parametrize("lag", [-7, -1, 0, 1, 4, 10])
def test_a_shifted_track_has_that_lag(lag):
    true = track()[:, 0]
    found, fit = best_lag(true.roll(lag), true)
    assert found == lag
    assert fit == pytest.approx(1)


def test_the_lag_of_many_videos_is_that_of_most():
    tracks = [track(seed=seed)[:, 0] for seed in range(4)]
    pairs = [(true.roll(2), true) for true in tracks[:3]] + [(tracks[3].roll(-5), tracks[3])]
    assert common_lag(pairs)[0] == 2


def test_another_recordings_track_is_compared_over_the_same_frames():
    true, other = track(100), track(60, seed=5)
    score = score_sync(true, true, other=other)
    assert (score.opening, score.width, score.rounding) == pytest.approx((1, 1, 1))
    expected = correlation(true[:, 0], torch.cat([other, other])[:100, 0])
    assert score.shuffled == pytest.approx(expected)
    assert math.isnan(score_sync(true, true).shuffled)


def test_closures_are_the_middles_of_p_b_and_m():
    phonemes = torch.full((40,), 5)
    phonemes[8:13] = CLOSED_CLASS  # 20 ms steps: frames 4..6, its middle in frame 5
    phonemes[38:40] = CLOSED_CLASS
    assert closure_frames(phonemes) == [5, 19]
    opening = torch.ones(20)
    assert closures_hit(opening, phonemes) == 0
    opening[6] = 0.05  # a frame late still counts
    assert closures_hit(opening, phonemes) == 0.5
    opening[16] = 0.05  # three frames early does not
    assert closures_hit(opening, phonemes) == 0.5
    assert math.isnan(closures_hit(opening, torch.full((40,), 5)))


def test_a_mouth_that_is_always_shut_hits_all_closures_by_chance():
    phonemes = torch.full((40,), 5)
    phonemes[8:13] = CLOSED_CLASS
    assert closures_by_chance(torch.zeros(20), phonemes) == closures_hit(torch.zeros(20), phonemes) == 1
    opening = torch.ones(20)
    opening[5] = 0.0
    assert closures_hit(opening, phonemes) == 1
    assert closures_by_chance(opening, phonemes) == pytest.approx(3 / 20)
    phonemes[20:] = SILENT_CLASS  # frames of silence do not count
    assert closures_by_chance(opening, phonemes) == pytest.approx(3 / 10)
    assert math.isnan(closures_by_chance(opening, torch.full((40,), SILENT_CLASS)))


def test_silence_is_closed_where_the_mouth_is():
    phonemes = torch.full((20,), SILENT_CLASS)
    phonemes[:8] = 5
    true = torch.zeros(10)
    true[4] = 0.5  # still closing after the last sound: not counted
    opening = torch.tensor([0.9, 0.9, 0.9, 0.9, 0.9, 0.0, 0.0, 0.0, 0.4, 0.0])
    assert silence_closed(opening, true, phonemes) == pytest.approx((4 / 5, 0.4 / 5))


def test_closed_is_less_than_a_tenth_of_the_speakers_own_range():
    true = torch.zeros(100, 3)
    true[:50, 0] = torch.linspace(0, 0.8, 50)
    phonemes = torch.cat([torch.full((100,), 5), torch.full((100,), SILENT_CLASS)])
    measured = true.clone()
    measured[:, 0] += 0.15  # the measure reads this face's shut lips as open a little
    own = opening_range(measured[:, 0])
    assert own == pytest.approx((0.15, 0.95), abs=0.04)
    assert score_sync(measured, true, phonemes, own=own).silence == 1
    assert score_sync(measured, true, phonemes).silence == 0  # against the range of the true track
    mumbling = measured.clone()
    mumbling[:, 0] = 0.26  # hardly opens, never shuts
    score = score_sync(mumbling, true, phonemes, own=own)
    assert score.silence == 0
    assert score.quiet == pytest.approx(0.11 / 0.8, abs=0.01)


def test_tracks_of_other_lengths_are_refused():
    with pytest.raises(InputError, match="shapes"):
        score_sync(track(10), track(11))
