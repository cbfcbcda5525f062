"""Correlation, lag, closures and silence, on tracks whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.corpus.speech.visemes import SILENT
from read_core.errors import InputError
from read_core.evaluation.metrics.sync import (
    SILENT_CLASS,
    ShutCases,
    SyncScore,
    best_lag,
    common_lag,
    correlation,
    count_shut,
    lip_figures,
    opening_range,
    relative_opening,
    score_sync,
)


def track(frames=120, seed=0):
    """Smooth noise in 0..1, (frames, 3)."""
    noise = torch.randn(frames + 4, 3, generator=torch.Generator().manual_seed(seed))
    return noise.unfold(0, 5, 1).mean(dim=2).sigmoid()


def test_silence_is_that_of_the_corpus():
    assert SILENT_CLASS == SILENT


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


def test_the_tracks_of_other_recordings_are_compared_over_the_same_frames():
    true, short, long = track(100), track(60, seed=5), track(140, seed=6)
    score = score_sync(true, true, others=[short, long])
    assert (score.opening, score.width, score.rounding) == pytest.approx((1, 1, 1))
    strangers = torch.cat([short, short])[:100, 0], long[:100, 0]
    expected = [correlation(true[:, 0], stranger) for stranger in strangers]
    assert abs(expected[0] - expected[1]) > 0.01
    assert score.shuffled == pytest.approx(sum(expected) / 2)
    assert math.isnan(score_sync(true, true).shuffled)


def counted(opening, phonemes=None, closures=(), true=None):
    phonemes = torch.full((2 * len(opening),), 5) if phonemes is None else phonemes
    true = torch.zeros(len(opening)) if true is None else true
    return count_shut(opening, true, phonemes, torch.tensor(closures, dtype=torch.long))


def test_a_closure_may_be_a_frame_early_or_late():
    opening = torch.ones(20)
    assert counted(opening, closures=(5, 19)).closed == 0
    opening[6] = 0.05  # a frame late still counts
    assert counted(opening, closures=(5, 19)).closed == 0.5
    opening[16] = 0.05  # three frames early does not
    assert counted(opening, closures=(5, 19)).closed == 0.5
    assert math.isnan(counted(opening).closed)


def test_closures_that_follow_each_other_count_each():
    opening = torch.ones(20)
    opening[5] = 0.0
    found = counted(opening, closures=(5, 8))
    assert (found.hits, found.closures) == (1, 2)


def test_a_mouth_that_is_always_shut_hits_all_closures_by_chance():
    shut = counted(torch.zeros(20), closures=(5,))
    assert shut.chance == shut.closed == 1
    opening = torch.ones(20)
    opening[5] = 0.0
    assert counted(opening, closures=(5,)).closed == 1
    assert counted(opening, closures=(5,)).chance == pytest.approx(3 / 20)
    phonemes = torch.full((40,), 5)
    phonemes[20:] = SILENT  # frames of silence do not count
    assert counted(opening, phonemes).chance == pytest.approx(3 / 10)
    assert math.isnan(counted(opening, torch.full((40,), SILENT)).chance)


def test_silence_is_closed_where_the_mouth_is():
    phonemes = torch.full((20,), SILENT)
    phonemes[:8] = 5
    true = torch.zeros(10)
    true[4] = 0.5  # still closing after the last sound: not counted
    opening = torch.tensor([0.9, 0.9, 0.9, 0.9, 0.9, 0.0, 0.0, 0.0, 0.4, 0.0])
    found = counted(opening, phonemes, true=true)
    assert (found.silence, found.quiet) == pytest.approx((4 / 5, 0.4 / 5))
    opening[5] = -0.4  # shut more tightly than usual makes up for no open mouth
    assert counted(opening, phonemes, true=true).quiet == pytest.approx(0.4 / 5)


def test_cases_of_several_videos_are_pooled():
    """A video with one closure weighs a ninth of one with nine."""
    one = ShutCases(hits=1, closures=1, near=2, spoken=10, shut=3, silent=3, opening=0.0)
    nine = ShutCases(hits=0, closures=9, near=0, spoken=30, shut=0, silent=9, opening=6.0)
    both = one + nine
    assert (both.closures, both.closed, both.chance) == (10, 0.1, 0.05)
    assert (both.silence, both.quiet) == (0.25, 0.5)
    silent = ShutCases(shut=1, silent=1)  # says nothing of closures
    assert (both + silent).closed == 0.1
    found = lip_figures(
        [SyncScore(0.5, 0.4, 0.3, 0, shuffled, cases) for shuffled, cases in ((-0.2, one), (0.4, nine))],
        lag=2,
    )
    assert (found.lag, found.videos, found.closures) == (2, 2, 10)
    assert (found.closed, found.silence) == (0.1, 0.25)
    assert found.shuffled == pytest.approx(0.1)
    assert found.most_shuffled == 0.4


def test_closed_is_less_than_a_tenth_of_the_speakers_own_range():
    true = torch.zeros(100, 3)
    true[:50, 0] = torch.linspace(0, 0.8, 50)
    phonemes = torch.cat([torch.full((100,), 5), torch.full((100,), SILENT)])
    measured = true[:, 0] + 0.15  # the measure reads this face's shut lips as open a little
    own = opening_range(measured)
    assert own == pytest.approx((0.15, 0.95), abs=0.04)
    assert counted(relative_opening(measured, own), phonemes, true=true[:, 0]).silence == 1
    against_truth = relative_opening(measured, opening_range(true[:, 0]))
    assert counted(against_truth, phonemes, true=true[:, 0]).silence == 0
    mumbling = torch.full((100,), 0.26)  # hardly opens, never shuts
    found = counted(relative_opening(mumbling, own), phonemes, true=true[:, 0])
    assert found.silence == 0
    assert found.quiet == pytest.approx(0.11 / 0.8, abs=0.01)


def test_tracks_of_other_lengths_are_refused():
    with pytest.raises(InputError, match="shapes"):
        score_sync(track(10), track(11))
