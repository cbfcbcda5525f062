"""Music of the corpus: of the asked loudness, never the same twice, and really music."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.speech.augment import add_music
from read_core.corpus.speech.music import Band

SEEDS = range(12)


def play(seed: int, samples: int = 48_000) -> torch.Tensor:
    return Band(torch.Generator().manual_seed(seed)).play(samples)


@pytest.mark.parametrize("samples", [1, 700, 16_000, 48_001])
@pytest.mark.parametrize("seed", range(3))
def test_music_has_unit_power_at_any_length(samples: int, seed: int) -> None:
    music = play(seed, samples)
    assert music.shape == (samples,)
    assert music.isfinite().all()
    if samples > 700:  # a shorter one may lie before the first beat
        assert music.square().mean().item() == pytest.approx(1.0)


def test_the_seed_decides() -> None:
    assert torch.equal(play(1), play(1))
    assert not torch.equal(play(1), play(2))


def test_no_two_bands_sound_alike() -> None:
    spectra = torch.stack([torch.fft.rfft(play(seed)).abs() for seed in SEEDS])
    alike = torch.corrcoef(spectra) - torch.eye(len(SEEDS))
    assert alike.max() < 0.6


def test_most_of_it_has_tones_unlike_noise() -> None:
    def peaks(waveform: torch.Tensor) -> float:
        """Share of the power in the loudest hundredth of the spectrum."""
        power = torch.fft.rfft(waveform).abs().square()
        return float(power.topk(len(power) // 100).values.sum() / power.sum())

    noise = torch.randn(48_000, generator=torch.Generator().manual_seed(0))
    shares = torch.tensor([peaks(play(seed)) for seed in SEEDS])
    assert peaks(noise) < 0.1
    assert shares.median() > 0.5


@pytest.mark.parametrize("snr", [-3.0, 0.0, 25.0])
def test_music_is_as_far_below_the_speech_as_asked(snr: float) -> None:
    speech = torch.zeros(32_000, dtype=torch.float64)
    active = torch.arange(32_000) < 8_000
    speech[active] = torch.randn(8_000, generator=torch.Generator().manual_seed(0)).double() * 0.1
    music = add_music(speech, active, snr, torch.Generator().manual_seed(1)) - speech
    ratio = speech[active].square().mean() / music.square().mean()
    assert 10 * ratio.log10().item() == pytest.approx(snr, abs=1e-6)


def test_silence_gets_music_all_the_same() -> None:
    silence = torch.zeros(16_000, dtype=torch.float64)
    music = add_music(silence, silence > 0, 0.0, torch.Generator().manual_seed(1))
    assert music.square().mean().item() == pytest.approx(1.0)
