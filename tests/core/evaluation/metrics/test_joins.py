"""Jumps of videos whose frames are numbers."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.metrics.joins import Joins, neighbor_jumps, score_joins
from read_core.evaluation.metrics.seams import clip_starts, whole_clips
from read_core.geometry import latents_of_clips


def frames(*values):
    return [torch.full((4, 6, 3), value, dtype=torch.uint8) for value in values]


@pytest.mark.parametrize("window", [4, 16])
@pytest.mark.parametrize("clips", [1, 2, 5])
def test_clips_of_read_meet_where_the_scheduler_cuts(window, clips):
    joins = Joins.of_window(window)
    assert joins.lasts(whole_clips(clips, window)) == clip_starts(latents_of_clips(clips, window), window)


def test_the_jumps_at_clips_stand_alone():
    jumps = neighbor_jumps(frames(0, 1, 2, 12, 13, 33, 34))
    assert jumps == [1, 1, 10, 1, 20, 1]
    found = score_joins(jumps, Joins(3, 2))
    assert (found.clips, found.elsewhere, found.ratio, found.count) == (15, 1, 15, 2)


def test_a_single_clip_has_no_seam_and_a_still_video_no_ratio():
    assert math.isnan(score_joins([1.0, 1.0], Joins(3, 2)).clips)
    assert math.isnan(score_joins([0.0, 0.0], Joins(1, 1)).ratio)


@pytest.mark.parametrize("wrong", [(0, 1), (1, 0)])
def test_clips_without_frames_are_refused(wrong):
    with pytest.raises(InputError, match="expected 1 or more"):
        Joins(*wrong)
