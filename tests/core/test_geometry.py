"""Frames, latents, samples and clips, against counts made by hand and by enumeration."""

from __future__ import annotations

import pytest

from read_core import geometry
from read_core.errors import InputError


def test_the_rates_divide_each_other():
    assert geometry.SAMPLES_PER_FRAME == 640
    assert geometry.SAMPLES_PER_FEATURE == 320
    assert geometry.FEATURE_RATE == 50
    assert geometry.SAMPLES_PER_FRAME * geometry.FPS == geometry.SAMPLE_RATE
    assert geometry.SAMPLES_PER_FEATURE * geometry.FEATURES_PER_FRAME == geometry.SAMPLES_PER_FRAME


@pytest.mark.parametrize(
    ("samples", "rate", "frames"),
    [
        (1, 16_000, 1),
        (640, 16_000, 1),
        (641, 16_000, 2),
        (77_440, 16_000, 121),
        (44_100, 44_100, 25),
        (44_101, 44_100, 26),
        (3600 * 48_000, 48_000, 90_000),
    ],
)
def test_a_recording_lasts_its_seconds_rounded_up_to_frames(samples, rate, frames):
    assert geometry.frames_of_samples(samples, rate) == frames


@pytest.mark.parametrize(
    ("frames", "latents"), [(1, 1), (2, 1), (9, 1), (10, 2), (17, 2), (121, 15), (122, 16)]
)
def test_latents_cover_frames(frames, latents):
    """z_R decodes to frame 0, every later latent to 8 frames."""
    assert geometry.latents_of_frames(frames) == latents
    assert geometry.frames_of_latents(1 + latents) >= frames


@pytest.mark.parametrize(("clips", "frames"), [(1, 121), (4, 457), (9, 1017)])
def test_table_3_is_whole_clips_of_the_trained_window(clips, frames):
    latents = geometry.latents_of_frames(frames)
    assert geometry.frames_of_latents(1 + latents) == frames
    assert geometry.clips_of_latents(latents, 16) == clips
    assert geometry.padded_latents(latents, 16) == latents


@pytest.mark.parametrize("window", [3, 4, 5, 16, 64])
def test_padding_is_the_least_number_of_whole_clips(window):
    whole = [window - 1 + k * (window - 2) for k in range(200)]
    for latents in range(1, 190):
        expected = next(count for count in whole if count >= latents)
        assert geometry.padded_latents(latents, window) == expected
        assert geometry.clips_of_latents(latents, window) == 1 + whole.index(expected)


@pytest.mark.parametrize("window", [-1, 2, 65, 4.5])
def test_a_window_out_of_range_is_refused(window):
    for use in (
        geometry.check_window,
        lambda w: geometry.clips_of_latents(9, w),
        lambda w: geometry.padded_latents(9, w),
    ):
        with pytest.raises(InputError, match="window is"):
            use(window)
