"""Casts: each video is held against its own truth, its own range and all other recordings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.evaluation.material.sample_set import SampleSet
from read_core.evaluation.material.videos import Video, VideoGenerator
from read_core.evaluation.metrics.sync import correlation, opening_range
from read_core.mouth.measure import mouth_shape
from read_core.records import SamplingSettings


class Perfect(VideoGenerator):
    """Its videos do what the truth says."""

    def asynchronous(self, sample, settings=None):
        return Video(sample.frames, sample.mouth, 0.0)


@pytest.fixture
def sample_set(pipe, sample):
    """Three recordings of one face."""
    truths = sample.mouth, sample.mouth.roll(7, 0), sample.mouth.flip(0)
    samples = [replace(sample, name=str(index), mouth=mouth) for index, mouth in enumerate(truths)]
    return SampleSet(Perfect(pipe), samples, SamplingSettings())


@pytest.mark.corpus
def test_every_video_is_compared_with_all_other_recordings(sample_set):
    tracks = [sample.mouth[:, 0] for sample in sample_set.samples]
    expected = [
        sum(correlation(track, other) for other in tracks if other is not track) / 2 for track in tracks
    ]
    assert len({round(value, 3) for value in expected}) == 3
    assert [score.shuffled for score in sample_set.scores] == pytest.approx(expected)
    found = sample_set.figures()
    assert found.shuffled == pytest.approx(sum(expected) / 3)
    assert found.most_shuffled == pytest.approx(max(expected))
    assert found.opening == pytest.approx(1)
    assert found.closures == 3 * len(sample_set.samples[0].closures)


@pytest.mark.corpus
def test_openings_are_shares_of_the_range_of_the_drawn_video(sample_set, sample):
    low, high = opening_range(mouth_shape(sample.frames)[:, 0])
    assert torch.allclose(
        sample_set.openings[1] * (high - low) + low, sample_set.samples[1].mouth[:, 0], atol=1e-5
    )
