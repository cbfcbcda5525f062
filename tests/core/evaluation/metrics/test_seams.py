"""Seams and flicker planted in videos are found where they are."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.metrics.seams import (
    clip_starts,
    flicker,
    score_seams,
    split_clips,
    still_pixels,
    whole_clips,
)
from read_core.geometry import latents_of_clips


def steady(frames=41, step=0.002):
    """A video that brightens evenly."""
    return (0.2 + step * torch.arange(frames, dtype=torch.float32))[:, None, None, None].expand(-1, 8, 8, 3)


def test_clips_begin_after_frames_120_232_and_so_on():
    assert clip_starts(latents_of_clips(9, 16), 16) == [120 + 112 * k for k in range(8)]
    assert clip_starts(15, 16) == []


@pytest.mark.parametrize("clips", [1, 2, 5])
def test_whole_clips_are_split_where_they_meet(clips):
    frames = torch.arange(whole_clips(clips, 16))[:, None, None, None].expand(-1, 1, 1, 3)
    parts = split_clips(frames, 16)
    assert [len(part) for part in parts] == [121, *([112] * (clips - 1))]
    assert torch.equal(torch.cat(parts), frames)


def test_an_even_video_has_no_seam():
    score = score_seams(steady(), [16])
    assert score.clips == pytest.approx(0.51, abs=1e-3)  # 0.002 * 255
    assert score.latents == pytest.approx(score.clips, rel=1e-3)
    assert score.inside == pytest.approx(score.clips, rel=1e-3)


def test_a_seam_at_a_clip_boundary_is_found():
    video = steady().clone()
    video[17:] += 0.1
    score = score_seams(video, [16])
    assert score.clips == pytest.approx(26.01, abs=0.01)
    assert score.latents == pytest.approx(0.51, abs=1e-3)
    assert score.inside == pytest.approx(0.51, abs=1e-3)


def test_a_seam_at_a_latent_boundary_is_told_from_one_at_a_clip():
    video = steady().clone()
    video[25:] += 0.1
    score = score_seams(video, [16])
    assert score.clips == pytest.approx(score.inside, rel=1e-3)
    assert score.latents > 10 * score.inside


def test_only_the_chosen_pixels_count():
    video = steady().clone()
    video[17:, :, 4:] += 0.1
    left = torch.zeros(8, 8, dtype=torch.bool)
    left[:, :4] = True
    assert score_seams(video, [16], left).clips == pytest.approx(0.51, abs=1e-3)
    assert score_seams(video, [16], ~left).clips == pytest.approx(26.01, abs=0.01)
    with pytest.raises(InputError, match="no pixel"):
        score_seams(video, [16], torch.zeros(8, 8, dtype=torch.bool))


def test_a_frozen_video_has_no_jumps_and_a_single_clip_no_seam():
    score = score_seams(torch.full((20, 4, 4, 3), 0.5), [])
    assert score.inside == 0
    assert math.isnan(score.clips)


def test_a_short_video_is_refused():
    with pytest.raises(InputError, match="seams"):
        score_seams(steady(9), [])


def test_still_pixels_are_those_that_never_change_and_their_flicker_is_measured():
    video = torch.full((12, 6, 6, 3), 0.5)
    video[5, 2, 3, 1] = 0.7
    still = still_pixels(video)
    assert (~still).nonzero().tolist() == [[2, 3]]
    assert flicker(video, still) == 0
    blinking = video + 0.01 * (torch.arange(12) % 2)[:, None, None, None]
    assert flicker(blinking, still) == pytest.approx(2.55, abs=1e-3)
    assert math.isnan(flicker(video, torch.zeros(6, 6, dtype=torch.bool)))
