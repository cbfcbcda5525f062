"""Augmentation: length, range, seeds, and each effect against what it says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from read_core.corpus.speech.augment import (
    add_noise,
    augment,
    band_limit,
    change_size,
    colored_noise,
    equalize,
    insert_silence,
    reverberate,
    set_loudness,
)
from read_core.corpus.speech.synthesized import Segment, Speech, join, pause
from read_core.corpus.speech.visemes import mouth_track, phoneme_targets

RATE = 16_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tone(hertz: float, seconds: float = 1.0) -> Tensor:
    return 0.1 * torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * RATE)) / RATE)


def decibels(waveform: Tensor) -> float:
    return float(10 * waveform.square().mean().log10())


def speech() -> Speech:
    """A vowel from 0.5 to 1.0 s and a consonant to 1.2 s, silence around; the sound has all frequencies."""
    waveform = torch.zeros(2 * RATE)
    waveform[RATE // 2 : round(1.2 * RATE)] = 0.1 * torch.randn(round(0.7 * RATE), generator=seeded(5))
    names = (("pau", 0.0, 0.5), ("aa", 0.5, 1.0), ("m", 1.0, 1.2), ("pau", 1.2, 2.0))
    return Speech(waveform, tuple(Segment(*name) for name in names), "flite")


@pytest.mark.parametrize("samples", [1, 639, 16_000, 50_001])
@pytest.mark.parametrize("seed", range(8))
def test_a_recording_keeps_its_length_and_is_finite(samples: int, seed: int) -> None:
    waveform = 0.3 * torch.randn(samples, generator=seeded(99))
    out = augment(waveform, torch.ones(samples, dtype=torch.bool), seeded(seed))
    assert out.shape == waveform.shape
    assert out.isfinite().all()
    assert out.abs().max() <= 1


def test_the_seed_decides() -> None:
    waveform, active = tone(300), torch.ones(RATE, dtype=torch.bool)
    assert torch.equal(augment(waveform, active, seeded(3)), augment(waveform, active, seeded(3)))
    assert not torch.equal(augment(waveform, active, seeded(3)), augment(waveform, active, seeded(4)))


def test_music_plays_in_three_of_ten_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios: list[float] = []

    def count(waveform: Tensor, _active: Tensor, snr: float, _generator: torch.Generator) -> Tensor:
        ratios.append(snr)
        return waveform

    monkeypatch.setattr("read_core.corpus.speech.augment.add_music", count)
    waveform, active = tone(300, 0.1), torch.ones(RATE // 10, dtype=torch.bool)
    for seed in range(300):
        augment(waveform, active, seeded(seed))
    assert not ratios
    for seed in range(300):
        augment(waveform, active, seeded(seed), music=True)
    assert 0.22 < len(ratios) / 300 < 0.38
    assert -3 <= min(ratios) < 2
    assert 20 < max(ratios) <= 25


def test_silence_stays_finite() -> None:
    silent, active = torch.zeros(RATE), torch.zeros(RATE, dtype=torch.bool)
    for seed in range(10):
        assert augment(silent, active, seeded(seed)).isfinite().all()


def test_loudness_is_within_the_promised_range() -> None:
    said = speech()
    active = said.waveform != 0
    for seed in range(30):
        assert -31 < decibels(augment(said.waveform, active, seeded(seed))[active]) < -13.9


def test_set_loudness_counts_only_what_is_active() -> None:
    said = speech()
    out = set_loudness(said.waveform, said.waveform != 0, -20)
    assert decibels(out[said.waveform != 0]) == pytest.approx(-20, abs=0.01)


def test_set_loudness_does_not_clip() -> None:
    click = torch.zeros(RATE)
    click[100] = 1
    assert set_loudness(click, torch.ones(RATE, dtype=torch.bool), -14).max() <= 0.99 + 1e-6


@pytest.mark.parametrize("slope", [-1, 0, 1, 2])
def test_noise_falls_with_its_slope(slope: int) -> None:
    noise = colored_noise(1 << 16, slope, seeded())
    power = torch.fft.rfft(noise).abs().square()
    hertz = torch.fft.rfftfreq(1 << 16, 1 / RATE)
    low, high = ((hertz > f) & (hertz < 2 * f) for f in (500, 2000))
    fall = 10 * float((power[low].mean() / power[high].mean()).log10())
    assert fall == pytest.approx(slope * 10 * math.log10(4), abs=1.0)
    assert noise.square().mean() == pytest.approx(1, abs=1e-3)


def test_noise_has_the_asked_ratio() -> None:
    clean = tone(440)
    assert decibels(clean) - decibels(add_noise(clean, 12, 1, seeded()) - clean) == pytest.approx(
        12, abs=0.05
    )


def test_a_room_rings_on_and_does_not_delay() -> None:
    click = torch.zeros(RATE)
    click[4000] = 1
    wet = reverberate(click, 0.4, 6, seeded())
    assert wet[:4000].abs().max() < 1e-5
    assert wet[4000] == pytest.approx(1, abs=1e-4)
    tail = wet[4001:]
    assert 10 * math.log10(1 / float(tail.square().sum())) == pytest.approx(6, abs=0.1)
    # 60 dB in 0.4 s: the energy of two windows 0.2 s apart differs by 30 dB.
    assert decibels(tail[400:1000]) - decibels(tail[3600:4200]) == pytest.approx(30, abs=3)


def test_a_telephone_keeps_its_band_only() -> None:
    for hertz, change in ((100, -60), (1000, 0), (6000, -60)):
        filtered = band_limit(tone(hertz), 300, 3400)
        middle = slice(RATE // 4, 3 * RATE // 4)
        difference = decibels(filtered[middle] + 1e-9) - decibels(tone(hertz)[middle])
        assert difference == pytest.approx(0, abs=0.1) if change == 0 else difference < -40


def test_an_equalizer_applies_its_gains() -> None:
    gains = torch.zeros(7)
    assert torch.allclose(equalize(tone(440), gains), tone(440), atol=1e-5)
    gains[-1] = -12
    assert decibels(equalize(tone(7990), gains)) - decibels(tone(7990)) == pytest.approx(-12, abs=0.3)
    assert decibels(equalize(tone(200), gains)) - decibels(tone(200)) == pytest.approx(0, abs=0.1)


def test_a_silence_moves_what_follows_and_nothing_else() -> None:
    said = speech()
    out = insert_silence(said, 2, 0.4)
    assert out.seconds == pytest.approx(said.seconds + 0.4)
    assert torch.equal(out.waveform[:15_900], said.waveform[:15_900])
    assert out.waveform[16_000:22_400].abs().max() == 0
    assert torch.equal(out.waveform[22_500:], said.waveform[16_100:])
    before, after = (mouth_track(s.segments, "flite", round(s.seconds * 25)) for s in (said, out))
    assert torch.equal(before[:20], after[:20])
    assert torch.allclose(before[29:], after[39:], atol=1e-5)
    targets = phoneme_targets(out.segments, "flite", 60)
    assert (targets[50:70] == 0).all()
    assert (targets[70:80] == 1).all()


@pytest.mark.parametrize("index", [0, 4])
def test_silence_can_lead_and_trail(index: int) -> None:
    said = speech()
    out = insert_silence(said, index, 0.5)
    shift = 8000 if index == 0 else 0
    assert out.waveform.shape[0] == said.waveform.shape[0] + 8000
    assert torch.equal(out.waveform[8000 + shift : 16_000 + shift], said.waveform[8000:16_000])
    ends = [segment.stop for segment in out.segments]
    assert [segment.start for segment in out.segments] == pytest.approx([0.0, *ends[:-1]])
    assert ends[-1] == pytest.approx(out.seconds)


def test_joined_parts_follow_each_other() -> None:
    out = join([pause(0.25, "flite"), speech(), pause(0.1, "flite")])
    assert out.seconds == pytest.approx(2.35)
    assert [s.start for s in out.segments] == pytest.approx([0, 0.25, 0.75, 1.25, 1.45, 2.25])


@pytest.mark.parametrize("factor", [0.87, 1.1])
def test_a_voice_of_another_size_keeps_its_sounds_where_its_phonemes_say(factor):
    """A tone in the second of three phonemes: higher by the factor, and still there."""
    times = torch.arange(16_000) / 16_000
    tone = 0.5 * torch.sin(2 * torch.pi * 403 * times + 0.3) * ((times > 0.25) & (times < 0.75))
    segments = (Segment("pau", 0.0, 0.25), Segment("aa", 0.25, 0.75), Segment("pau", 0.75, 1.0))
    changed = change_size(Speech(tone, segments, "flite"), factor)
    assert changed.seconds == pytest.approx(1 / factor, rel=0.01)
    assert changed.segments[-1].stop == changed.seconds
    start, stop = (round(t * 16_000) for t in (changed.segments[1].start, changed.segments[1].stop))
    inside = changed.waveform[start:stop]
    assert inside.square().sum() > 0.99 * changed.waveform.square().sum()
    signs = inside[inside != 0].sign()
    crossings = (signs[:-1] != signs[1:]).sum().item()
    assert crossings / (2 * len(inside) / 16_000) == pytest.approx(403 * factor, rel=0.02)
