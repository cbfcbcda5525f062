"""Whole utterances: exact lengths, repeatability, and mouths that agree with the sound."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from read_core.corpus.speech.utterance import Utterance, sample_utterance
from read_core.corpus.speech.visemes import CLASSES, CLOSED, SILENT
from read_core.errors import InputError

SEEDS = range(8)


@cache
def utterances(synthesizer: str) -> list[Utterance]:
    return [sample_utterance(seed, 5.0, "train", synthesizer) for seed in SEEDS]


def frame_energy(utterance: Utterance) -> Tensor:
    """RMS per video frame (F,)."""
    frames = utterance.mouth.shape[0]
    padded = F.pad(utterance.waveform, (0, frames * 640 - utterance.waveform.shape[0]))
    return padded.view(frames, 640).square().mean(dim=1).sqrt()


def correlation(first: Tensor, second: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([first, second]))[0, 1])


@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.14159, 4.84, 5.0])
def test_lengths_are_exact(synthesizer: str, seconds: float) -> None:
    utterance = sample_utterance(1, seconds, "test", synthesizer)
    samples = round(seconds * 16_000)
    frames = -(-samples * 25 // 16_000)
    assert utterance.waveform.shape == (samples,)
    assert utterance.mouth.shape == (frames, 3)
    assert utterance.phonemes.shape == (2 * frames,)
    assert utterance.seconds == pytest.approx(seconds, abs=1e-4)


def test_values_are_in_range(synthesizer: str) -> None:
    free = [sample_utterance(seed, None, "train", synthesizer) for seed in range(2)]
    for utterance in [*free, *utterances(synthesizer)]:
        assert utterance.waveform.dtype == torch.float32
        assert utterance.waveform.isfinite().all()
        assert 0.02 < utterance.waveform.abs().max() <= 1
        assert utterance.mouth.dtype == torch.float32
        assert utterance.mouth[:, (0, 2)].min() >= 0
        assert utterance.mouth.abs().max() <= 1
        assert utterance.phonemes.dtype == torch.int64
        assert 0 <= utterance.phonemes.min() <= utterance.phonemes.max() < CLASSES
        assert 0.5 < utterance.seconds < (90 if utterance.voice.endswith(":sung") else 40)


def test_the_seed_decides_everything(synthesizer: str) -> None:
    first, other, again = (sample_utterance(seed, 3.0, "train", synthesizer) for seed in (5, 6, 5))
    for name in ("waveform", "mouth", "phonemes"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
    assert (first.text, first.voice) == (again.text, again.voice)


def test_splits_say_different_things(synthesizer: str) -> None:
    said = [sample_utterance(3, 3.0, split, synthesizer).text for split in ("train", "validation", "test")]
    assert len(set(said)) == 3


def test_the_mouth_opens_when_it_is_loud(synthesizer: str) -> None:
    """Energy is measured on the augmented sound, noise and room included; no lag fits better than none."""
    pairs = [(frame_energy(u), u.mouth[:, 0]) for u in utterances(synthesizer)]
    mean = {
        lag: sum(correlation(e[5:-5], m.roll(lag)[5:-5]) for e, m in pairs) / len(pairs)
        for lag in range(-3, 4)
    }
    assert mean[0] > 0.45
    assert max(mean, key=lambda lag: mean[lag]) in (-1, 0, 1)
    strangers = [correlation(e, m) for (e, _), (_, m) in pairwise(pairs)]
    assert abs(sum(strangers) / len(strangers)) < 0.2


def test_closures_and_silences_show(synthesizer: str) -> None:
    for utterance in utterances(synthesizer):
        opening = utterance.mouth[:, 0]
        closed = (utterance.phonemes == CLOSED).view(-1, 2).all(dim=1)
        groups = closed.long().diff(prepend=torch.zeros(1, dtype=torch.long)).clamp(min=0).cumsum(0)[closed]
        for group in groups.unique():
            assert opening[closed][groups == group].min() <= 0.1
        assert len(utterance.closures) >= len(groups.unique())
        assert (opening[utterance.closures] <= 0.1).all()
        silent = (utterance.phonemes == SILENT).float()[None, None]
        deep = (F.avg_pool1d(silent, 21, 1, 10, count_include_pad=False)[0, 0] == 1).view(-1, 2).all(dim=1)
        assert opening[deep].abs().sum() == 0
        assert opening.max() > 0.4


def test_recordings_differ_in_loudness(synthesizer: str) -> None:
    levels = [float(10 * u.waveform.square().mean().log10()) for u in utterances(synthesizer)]
    assert -40 < min(levels) < -24
    assert -24 < max(levels) < -13


@pytest.mark.parametrize("seconds", [0.0, -1.0, 4000.0, float("nan")])
def test_impossible_durations_are_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="seconds is"):
        sample_utterance(0, seconds)


def test_unknown_splits_and_synthesizers_are_refused() -> None:
    with pytest.raises(InputError, match="split"):
        sample_utterance(0, 1.0, "dev")
    with pytest.raises(InputError, match="synthesizer"):
        sample_utterance(0, 1.0, "train", "sam")


def test_one_training_recording_in_twenty_says_nothing(synthesizer: str) -> None:
    """Noise, music or silence alone: the mouth stays shut."""
    drawn = [sample_utterance(seed, 0.5, "train", synthesizer) for seed in range(100)]
    mute = [utterance for utterance in drawn if not utterance.text]
    assert 2 <= len(mute) <= 10
    for utterance in mute:
        assert utterance.mouth[:, 0].max() < 0.01
        assert (utterance.phonemes == SILENT).all()
        assert len(utterance.closures) == 0
    assert any(utterance.waveform.abs().max() > 0.01 for utterance in mute)
    assert all(sample_utterance(seed, 0.5, "test", synthesizer).text for seed in range(50))
