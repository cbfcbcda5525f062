"""Sung recordings: notes of one pitch, held sounds, phoneme times that agree with what is heard."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from read_core.corpus.speech.singing import hold, sing
from read_core.corpus.speech.synthesis import open_synthesizer
from read_core.corpus.speech.synthesized import Speech, Voice
from read_core.corpus.speech.utterance import sample_utterance

VOICE = Voice("babble", "middle", 100, 50, 0)


def spoken(text: str = "mama o luna") -> Speech:
    with open_synthesizer(VOICE) as speak:
        return speak(text)


def pitch(waveform: Tensor) -> float:
    """Hz: the lag from 80 to 300 Hz at which (samples,) is most like itself."""
    lags = range(16_000 // 300, 16_000 // 80)
    alike = torch.stack([waveform[:-lag] @ waveform[lag:] / (len(waveform) - lag) for lag in lags])
    return 16_000 / lags[int(alike.argmax())]


def pieces(speech: Speech, phoneme: str) -> list[Tensor]:
    spans = [(s.start, s.stop) for s in speech.segments if s.phoneme == phoneme]
    return [speech.waveform[round(start * 16_000) : round(stop * 16_000)] for start, stop in spans]


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.7, 2.6])
def test_held_sounds_keep_pitch_and_place(factor: float) -> None:
    short = spoken()
    long = hold(short, factor)
    assert len(long.waveform) == round(factor * len(short.waveform))
    assert [s.phoneme for s in long.segments] == [s.phoneme for s in short.segments]
    assert long.segments[-1].stop == pytest.approx(long.seconds)
    for before, after in zip(short.segments, long.segments, strict=True):
        assert after.start == pytest.approx(factor * before.start, rel=1e-4)
    assert long.waveform.abs().amax() <= short.waveform.abs().amax() + 1e-4
    for vowel in ("aa", "ao"):
        pairs = list(zip(pieces(short, vowel), pieces(long, vowel), strict=True))
        for plain, held in pairs:
            assert pitch(held) == pytest.approx(pitch(plain), rel=0.03)
        kept = [float(held.square().mean() / plain.square().mean()) for plain, held in pairs]
        assert sum(kept) / len(kept) > 0.3  # the partials of a voice drift apart a little
    pauses = torch.cat(pieces(long, "pau")).square().mean()
    assert pauses < 0.1 * torch.cat(pieces(long, "aa")).square().mean()


def test_a_song_goes_up_and_down_and_is_slower_than_speech(synthesizer: str) -> None:
    if synthesizer == "festival":
        pytest.skip("Festival's voices keep their pitch; no corpus has them sing")
    name = {"espeak": "en-us+m3", "babble": "middle", "flite": "slt"}[synthesizer]
    voice = Voice(synthesizer, name)
    text = "mama o luna ma o mi la u ma nu la mo"
    song = sing(text, voice, random.Random(3))
    with open_synthesizer(voice) as speak:
        assert song.seconds > 1.5 * speak(text).seconds
    for before, after in pairwise(song.segments):
        assert after.start == pytest.approx(before.stop, abs=1e-3)
    assert song.segments[0].start == 0
    assert song.segments[-1].stop == pytest.approx(song.seconds, abs=1e-3)
    assert torch.equal(sing(text, voice, random.Random(3)).waveform, song.waveform)
    if synthesizer == "babble":  # whose pitch can be heard in every vowel
        notes = torch.tensor([pitch(piece) for piece in pieces(song, "aa")])
        assert notes.max() > 1.05 * notes.min()


def test_some_training_recordings_are_sung_and_no_others() -> None:
    drawn = [sample_utterance(seed, 1.0, "train", "babble") for seed in range(100)]
    assert 2 <= sum(utterance.voice.endswith(":sung") for utterance in drawn) <= 18
    for split in ("validation", "test"):
        heard = [sample_utterance(seed, 0.5, split, "babble") for seed in range(60)]
        assert not any(utterance.voice.endswith(":sung") for utterance in heard)
