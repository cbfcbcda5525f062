from __future__ import annotations

import itertools

import pytest

from read_core.ans import clip_spans
from read_core.errors import InputError
from read_core.geometry import latents_of_clips, latents_of_frames


@pytest.mark.parametrize(("video_frames", "clips"), [(121, 1), (457, 4), (1017, 9)])
def test_the_lengths_of_table_3_are_whole_clips(video_frames, clips):
    latents = latents_of_frames(video_frames)
    assert len(clip_spans(latents, 16)) == clips
    assert latents_of_clips(clips, 16) == latents


@pytest.mark.parametrize("window", [3, 4, 6, 16, 64])
@pytest.mark.parametrize("clips", [1, 2, 5])
def test_spans_are_full_and_share_one_latent(window, clips):
    spans = clip_spans(latents_of_clips(clips, window), window)
    assert len(spans) == clips
    assert spans[0][0] == 0
    assert spans[-1][1] == latents_of_clips(clips, window)
    assert all(stop - start == window - 1 for start, stop in spans)
    assert all(later[0] == earlier[1] - 1 for earlier, later in itertools.pairwise(spans))


def test_spans_are_half_open_from_zero():
    assert clip_spans(10, 5) == [(0, 4), (3, 7), (6, 10)]


@pytest.mark.parametrize(("frames", "window"), [(0, 5), (3, 5), (5, 5), (6, 5), (8, 5), (-2, 3)])
def test_latents_that_are_not_whole_clips_are_refused(frames, window):
    with pytest.raises(ValueError, match="whole clips"):
        clip_spans(frames, window)


@pytest.mark.parametrize("window", [-1, 0, 2, 65])
def test_a_window_out_of_range_is_refused(window):
    with pytest.raises(InputError, match="window"):
        clip_spans(15, window)


def test_no_clips_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        latents_of_clips(0, 16)
