"""Codes of a whole recording, made window by window, against the same made in one piece."""

from __future__ import annotations

import pytest
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from read_core.errors import InputError
from read_core.speech import SpeechAE, WhisperFeatures, encode_speech_codes


@pytest.fixture(scope="module")
def models() -> tuple[WhisperFeatures, SpeechAE]:
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=16,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        max_source_positions=100,
    )
    features = WhisperFeatures(WhisperEncoder(config), margin=0.4)
    speech_ae = SpeechAE(
        speech_window=features.speech_window,
        feature_dim=features.feature_dim,
        code_window=3,
        code_dim=8,
        hidden_dim=12,
    )
    return features, speech_ae.eval()


def noise(samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize(
    ("samples", "latents"),
    [(1, 1), (640, 1), (641, 1), (9 * 640, 1), (9 * 640 + 1, 2), (97_000, 19), (200_000, 39)],
)
def test_equals_the_computation_in_one_piece(models, samples, latents):
    features, speech_ae = models
    waveform = noise(samples)
    codes = encode_speech_codes(features, speech_ae, waveform)
    assert codes.shape == (1, 1 + latents, 3, 8)
    whole = speech_ae.encode(features(waveform, num_frames=8 * latents + 1)[None])
    torch.testing.assert_close(codes, whole, atol=1e-5, rtol=0)


@torch.no_grad()
def test_asking_for_more_latents_continues_with_silence(models):
    features, speech_ae = models
    waveform = noise(50_000)
    silent = torch.cat([waveform, torch.zeros(40 * 8 * 640)])[: (40 * 8 + 1) * 640]
    codes = encode_speech_codes(features, speech_ae, waveform, num_latents=40)
    assert codes.shape[1] == 41
    assert torch.equal(codes, encode_speech_codes(features, speech_ae, silent))
    short = encode_speech_codes(features, speech_ae, waveform)
    torch.testing.assert_close(codes[:, : short.shape[1] - 1], short[:, :-1], atol=1e-5, rtol=0)


def test_progress_counts_the_windows(models):
    features, speech_ae = models
    seen: list[tuple[int, int]] = []
    encode_speech_codes(features, speech_ae, noise(97_000), on_window=lambda *step: seen.append(step))
    assert seen == [(i + 1, 5) for i in range(5)]


def test_codes_carry_no_gradient(models):
    features, speech_ae = models
    assert not encode_speech_codes(features, speech_ae, noise(700)).requires_grad


def test_empty_waveform(models):
    features, speech_ae = models
    with pytest.raises(InputError, match="at least one sample"):
        encode_speech_codes(features, speech_ae, torch.zeros(0))
