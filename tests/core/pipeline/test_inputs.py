"""What the pipeline makes of recordings and portraits, and what it warns of."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch

import read_core
from read_core.errors import InputError, ReadWarning
from read_core.geometry import latents_of_frames, padded_latents
from read_core.limits import WINDOW
from read_core.pipeline import ReadPipeline
from read_core.records import SamplingSettings

from .inputs import FRAMES, generator, noise_like_speech


def test_a_recording_shorter_than_a_clip_is_padded(pipe, reference):
    speech = pipe.encode_speech(noise_like_speech(700), 16_000)
    assert speech.num_frames == 2
    latents = pipe.sample(speech, reference)
    assert latents.shape[2] == 4
    assert pipe.decode(latents, speech.num_frames).shape[0] == 2


@pytest.mark.parametrize("samples", [1, 640, 641, 100_000])
def test_codes_reach_to_the_end_of_any_window(pipe, samples):
    speech = pipe.encode_speech(noise_like_speech(samples), 16_000)
    latents = latents_of_frames(speech.num_frames)
    assert speech.num_frames == -(-samples // 640)
    assert speech.codes.shape == (1, latents + WINDOW.largest - 2, 3, 10)
    assert (
        max(padded_latents(latents, window) for window in range(3, WINDOW.largest + 1))
        <= speech.codes.shape[1]
    )


def test_less_silence_serves_a_known_window(pipe, reference):
    waveform = noise_like_speech(FRAMES * 640)
    windows = []
    full = pipe.encode_speech(waveform, 16_000)
    short = pipe.encode_speech(waveform, 16_000, lambda *step: windows.append(step), max_window=4)
    assert short.codes.shape[1] == latents_of_frames(FRAMES) + 2
    assert len(windows) < pipe.features.num_windows(8 * full.codes.shape[1] + 1)
    torch.testing.assert_close(
        pipe.sample(short, reference), pipe.sample(full, reference), atol=1e-4, rtol=1e-4
    )
    with pytest.raises(InputError, match="a window of 20 needs"), pytest.warns(ReadWarning):
        pipe.sample(short, reference, SamplingSettings(window=20))
    with pytest.raises(InputError, match="window is 2"):
        pipe.encode_speech(waveform, 16_000, max_window=2)


def test_code_0_is_dropped_and_silence_is_what_is_padded(pipe):
    waveform = noise_like_speech(20 * 640)
    silence = torch.zeros((WINDOW.largest + 3) * 8 * 640)
    codes = pipe.encode_speech(waveform, 16_000).codes
    features = pipe.features(torch.cat([waveform, silence]))[: 8 * codes.shape[1] + 1]
    with torch.no_grad():
        expected = pipe.speech_ae.encode(features[None])[:, 1:]
    torch.testing.assert_close(codes[:, :-1], expected[:, :-1], atol=1e-5, rtol=1e-4)


def test_channels_are_averaged_and_rates_converted(pipe):
    waveform = noise_like_speech(16_000)
    mono = pipe.encode_speech(waveform, 16_000)
    stereo = pipe.encode_speech(torch.stack([waveform * 2, waveform * 0]), 16_000)
    torch.testing.assert_close(mono.codes, stereo.codes)
    assert pipe.encode_speech(noise_like_speech(44_100), 44_100).num_frames == 25


def test_silent_audio_warns_and_gives_a_video(pipe, reference):
    with pytest.warns(ReadWarning, match="silent"):
        silent = pipe.encode_speech(torch.zeros(2, 9000), 16_000)
    assert bool(pipe.decode(pipe.sample(silent, reference), silent.num_frames).isfinite().all())


def test_fewer_steps_than_the_checkpoint_bears_warn(tiny_components, speech, reference):
    defaults = replace(tiny_components.defaults, min_steps=2)
    pipe = ReadPipeline(replace(tiny_components, defaults=defaults))
    with pytest.warns(ReadWarning, match="steps is 1, but tiny needs 2 or more"):
        pipe.sample(speech, reference, SamplingSettings(steps=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        pipe.sample(speech, reference, SamplingSettings(steps=2))


def test_another_window_warns(pipe, speech, reference):
    with pytest.warns(ReadWarning, match="window is 5, but tiny was trained for 4"):
        pipe.sample(speech, reference, SamplingSettings(window=5))
    with pytest.warns(ReadWarning, match="window is 64"):
        assert pipe.sample(speech, reference, SamplingSettings(window=64, steps=1)).shape[2] == 64


def test_a_window_of_training_does_not_warn(tiny_components, speech, reference):
    pipe = ReadPipeline(replace(tiny_components, defaults=replace(tiny_components.defaults, windows=(5, 8))))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        pipe.sample(speech, reference, SamplingSettings(window=5, steps=1))
    with pytest.warns(ReadWarning, match="window is 6, but tiny was trained for 4 or 5 or 8"):
        pipe.sample(speech, reference, SamplingSettings(window=6, steps=1))


def test_the_reference_is_the_cropped_portrait_encoded(pipe):
    image = torch.rand(50, 200, 3, generator=generator(3))
    reference = pipe.encode_reference(image)
    assert reference.image.shape == (64, 96, 3)  # the checkpoint's resolution
    assert reference.latent.shape == (1, 8, 1, 2, 3)
    assert torch.equal(reference.latent, pipe.vae.encode(reference.image[None, None]))
    sides = image.clone()
    sides[:, :50] = 0
    sides[:, -50:] = 1
    assert torch.equal(pipe.encode_reference(sides).image, reference.image)


@pytest.mark.parametrize(
    ("fit", "box"), [("crop", (62, 0, 138, 50)), ("pad", (0, -41, 200, 92)), ("stretch", (0, 0, 200, 50))]
)
def test_the_reference_tells_what_it_shows_of_the_original(pipe, fit, box):
    reference = pipe.encode_reference(torch.rand(50, 200, 3, generator=generator(3)), fit=fit)
    left, top, right, bottom = reference.box
    assert reference.box == pytest.approx(box, abs=1)
    if fit != "stretch":
        assert (right - left) / (bottom - top) == pytest.approx(96 / 64, abs=0.03)


def test_transparency_becomes_gray(pipe):
    image = torch.cat([torch.rand(64, 96, 3), torch.zeros(64, 96, 1)], dim=2)
    gray = pipe.encode_reference(image).image
    torch.testing.assert_close(gray, torch.full((64, 96, 3), 0.5))
    image[..., 3] = 1
    torch.testing.assert_close(pipe.encode_reference(image).image, image[..., :3])


def test_inputs_are_left_as_they_are(pipe, speech, reference):
    codes, latent = speech.codes.clone(), reference.latent.clone()
    latents = pipe.sample(speech, reference)
    kept = latents.clone()
    pipe.decode(latents)
    assert torch.equal(codes, speech.codes)
    assert torch.equal(latent, reference.latent)
    assert torch.equal(kept, latents)


def test_the_package_offers_the_pipeline():
    assert read_core.ReadPipeline is ReadPipeline
