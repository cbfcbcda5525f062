"""The log-mel spectrogram against transformers' own front end."""

from __future__ import annotations

import pytest
import torch
from transformers import WhisperFeatureExtractor

from read_core.speech import log_mel

SECOND = 16_000


def speechlike(seconds: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    samples = int(seconds * SECOND)
    time = torch.arange(samples) / SECOND
    tone = (2 * torch.pi * (180 + 60 * (3 * time).sin()) * time).sin()
    loudness = (5 * time).sin().clamp(min=0)
    return 0.3 * tone * loudness + 0.02 * torch.randn(samples, generator=generator)


@pytest.mark.parametrize("mel_bins", [80, 128])
@pytest.mark.parametrize("seconds", [30.0, 7.3])
def test_equals_transformers(mel_bins, seconds):
    waveform = speechlike(seconds)
    extractor = WhisperFeatureExtractor(feature_size=mel_bins)
    expected = extractor(waveform.numpy(), sampling_rate=SECOND, return_tensors="pt").input_features[0]
    window = torch.zeros(30 * SECOND)
    window[: len(waveform)] = waveform
    torch.testing.assert_close(log_mel(window, mel_bins), expected, atol=1e-5, rtol=0)


def test_every_item_of_a_batch_has_its_own_dynamic_range():
    quiet, loud = 1e-3 * speechlike(2), speechlike(2, seed=1)
    batch = log_mel(torch.stack([quiet, loud]))
    torch.testing.assert_close(batch[0], log_mel(quiet))
    torch.testing.assert_close(batch[1], log_mel(loud))


def test_silence_is_finite_and_flat():
    mel = log_mel(torch.zeros(SECOND))
    assert mel.shape == (80, 100)
    assert torch.equal(mel, torch.full_like(mel, -1.5))


def test_is_float32_under_autocast():
    waveform = speechlike(1)
    with torch.autocast("cpu", torch.bfloat16):
        mel = log_mel(waveform)
    assert torch.equal(mel, log_mel(waveform))
