"""Cutting, leveling and gating recordings, against levels computed by hand."""

import math

import pytest
import torch

from read_core.errors import InputError
from read_core.speech.prepare import (
    LOUDNESS,
    PEAK,
    Preparation,
    cut,
    gate,
    normalize,
    padded_to_frames,
    prepare,
)

RATE = 8000


def tone(amplitude, seconds, channels=1):
    wave = amplitude * torch.sin(2 * math.pi * 200 * torch.arange(round(seconds * RATE)) / RATE)
    return wave.expand(channels, -1).clone()


def level(waveform):
    return 10 * math.log10(float(waveform.square().mean()))


def test_cut_takes_the_wanted_seconds():
    ramp = torch.arange(2 * RATE).float()[None]
    assert torch.equal(cut(ramp, RATE, 0.5, 0.25), ramp[:, RATE // 2 : RATE // 2 + RATE // 4])
    assert torch.equal(cut(ramp, RATE, 0.5), ramp[:, RATE // 2 :])
    assert torch.equal(cut(ramp, RATE, 1.5, 99.0), ramp[:, -RATE // 2 :])


@pytest.mark.parametrize("times", [(-1.0, 0.0), (0.0, -0.5), (0.0, math.nan)])
def test_cut_takes_no_negative_times(times):
    with pytest.raises(InputError, match="expected 0 s or more"):
        cut(tone(0.1, 2), RATE, *times)


def test_cut_beyond_the_end_is_refused():
    with pytest.raises(InputError, match=r"start is 3 s, but the recording lasts 2\.00 s"):
        cut(tone(0.1, 2), RATE, 3)


@pytest.mark.parametrize("amplitude", [0.003, 0.05, 0.6])
def test_speech_comes_to_one_loudness_whatever_the_pauses(amplitude):
    speech = torch.cat([tone(amplitude, 1), torch.zeros(1, 3 * RATE)], dim=1)
    assert level(normalize(speech, RATE)[:, :RATE]) == pytest.approx(LOUDNESS, abs=0.1)


def test_loudness_never_exceeds_the_peak():
    click = tone(0.01, 1)
    click[0, 100] = 1.0
    assert normalize(click, RATE).abs().max() <= PEAK + 1e-6


def test_silence_stays_silent():
    assert torch.equal(normalize(torch.zeros(2, RATE), RATE), torch.zeros(2, RATE))


def test_the_gate_shuts_pauses_and_leaves_speech():
    speech = torch.cat([tone(0.3, 1, 2), tone(0.001, 1, 2), tone(0.3, 1, 2)], dim=1)
    gated = gate(speech, RATE, -45.0)
    assert torch.equal(gated[:, : RATE * 99 // 100], speech[:, : RATE * 99 // 100])
    assert torch.equal(gated[:, -RATE * 99 // 100 :], speech[:, -RATE * 99 // 100 :])
    assert gated[:, RATE * 5 // 4 : RATE * 7 // 4].abs().max() == 0


def test_prepare_changes_nothing_by_default_and_never_its_input():
    speech = tone(0.2, 1)
    before = speech.clone()
    assert torch.equal(prepare(speech, RATE, Preparation()), before)
    louder = prepare(speech, RATE, Preparation(scale=2.0, normalize=True, gate=-40.0))
    assert level(louder) == pytest.approx(LOUDNESS + 20 * math.log10(2), abs=0.1)
    assert torch.equal(speech, before)


@pytest.mark.parametrize("wrong", [{"scale": 11.0}, {"gate": 1.0}, {"scale": math.nan}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        Preparation(**wrong)


@pytest.mark.parametrize(
    ("samples", "rate", "expected"), [(1, 16000, 640), (641, 16000, 1280), (44100, 44100, 44100)]
)
def test_padding_ends_with_a_video_frame(samples, rate, expected):
    padded = padded_to_frames(torch.ones(2, samples), rate)
    assert padded.shape == (2, expected)
    assert padded[:, samples:].abs().sum() == 0
