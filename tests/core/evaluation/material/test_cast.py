"""Casts: each video is held against its own truth, its own range and all other recordings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.evaluation.material.cast import Cast
from read_core.evaluation.material.videos import Studio, Video
from read_core.evaluation.metrics.sync import correlation, opening_range
from read_core.mouth.measure import mouth_shape
from read_core.records import SamplingSettings


class Perfect(Studio):
    """Its videos do what the truth says."""

    def asynchronous(self, sample, settings=None):
        return Video(sample.frames, sample.mouth, 0.0)


@pytest.fixture
def cast(pipe, sample):
    """Three recordings of one face."""
    truths = sample.mouth, sample.mouth.roll(7, 0), sample.mouth.flip(0)
    samples = [replace(sample, name=str(index), mouth=mouth) for index, mouth in enumerate(truths)]
    return Cast(Perfect(pipe), samples, SamplingSettings())


@pytest.mark.corpus
def test_every_video_is_compared_with_all_other_recordings(cast):
    tracks = [sample.mouth[:, 0] for sample in cast.samples]
    expected = [
        sum(correlation(track, other) for other in tracks if other is not track) / 2 for track in tracks
    ]
    assert len({round(value, 3) for value in expected}) == 3
    assert [score.shuffled for score in cast.scores] == pytest.approx(expected)
    found = cast.figures()
    assert found.shuffled == pytest.approx(sum(expected) / 3)
    assert found.most_shuffled == pytest.approx(max(expected))
    assert found.opening == pytest.approx(1)
    assert found.closures == 3 * len(cast.samples[0].closures)


@pytest.mark.corpus
def test_openings_are_shares_of_the_range_of_the_drawn_video(cast, sample):
    low, high = opening_range(mouth_shape(sample.frames)[:, 0])
    assert torch.allclose(cast.openings[1] * (high - low) + low, cast.samples[1].mouth[:, 0], atol=1e-5)
