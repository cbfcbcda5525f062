"""Both synthesizers: phoneme times against the sound itself, repeatability, and what happens without them."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from statistics import mean

import pytest
import torch
from torch import Tensor

from read_core.corpus.speech.festival import FESTIVAL_VOICES
from read_core.corpus.speech.sentences import SPLITS, sentences
from read_core.corpus.speech.synthesis import (
    SynthesizerError,
    draw_voice,
    open_synthesizer,
    require_synthesizer,
    texts_for,
    voice_names,
)
from read_core.corpus.speech.synthesized import Segment, Speech, Voice
from read_core.corpus.speech.tongues import WORDS
from read_core.corpus.speech.visemes import SILENT, VISEMES, visemes_of
from read_core.errors import InputError, ReadError

TEXT = "Bob packed a cup of apples. My paper boat was open."
VOICES = [
    Voice("espeak", "en-us+m3", 130),
    Voice("espeak", "en-gb-scotland+f4", 175, pitch=70),
    Voice("espeak", "en+klatt3", 220),
    Voice("festival", "ked", 150),
    Voice("flite", "slt"),
    Voice("flite", "rms", 150),
    Voice("flite", "awb", 200),
    Voice("flite", "kal"),
    Voice("babble", "low", 150),
    Voice("babble", "high", 200, pitch=70),
]


@pytest.fixture(params=[pytest.param(v, marks=pytest.mark.corpus, id=v.describe()) for v in VOICES])
def voice(request: pytest.FixtureRequest, need: Callable[[str], str]) -> Voice:
    """Each voice in turn, where its synthesizer is installed."""
    need(request.param.synthesizer)
    return request.param


def say(voice: Voice, text: str = TEXT) -> Speech:
    with open_synthesizer(voice) as speak:
        return speak(text)


def sound(segment: Segment) -> str:
    """The mnemonic without Festival's language."""
    return segment.phoneme.split()[-1]


def level(speech: Speech, segment: Segment) -> float:
    """Mean power of the middle half of a phoneme, in dB."""
    quarter = (segment.stop - segment.start) / 4
    part = speech.waveform[
        round((segment.start + quarter) * 16_000) : round((segment.stop - quarter) * 16_000)
    ]
    return float(10 * (part.square().mean() + 1e-10).log10())


def test_segments_cover_the_sound_without_gaps(voice: Voice) -> None:
    speech = say(voice)
    assert 2 < speech.seconds < 8
    assert speech.waveform.dtype == torch.float32
    assert 0.05 < speech.waveform.abs().max() <= 1.0
    starts = [s.start for s in speech.segments]
    stops = [s.stop for s in speech.segments]
    assert starts == pytest.approx([0.0, *stops[:-1]])
    assert stops[-1] == pytest.approx(speech.seconds)
    assert all(stop > start for start, stop in zip(starts, stops, strict=True))


def test_vowels_are_loud_and_pauses_quiet(voice: Voice) -> None:
    speech = say(voice)
    classes = [(visemes_of(s.phoneme, voice.synthesizer)[0], s) for s in speech.segments]
    vowels = [level(speech, s) for viseme, s in classes if viseme >= 12]
    pauses = [level(speech, s) for viseme, s in classes if viseme == SILENT and s.stop - s.start > 0.03]
    assert len(vowels) >= 12
    assert pauses
    assert min(vowels) > max(pauses) + 6
    assert sum(vowels) / len(vowels) > sum(pauses) / len(pauses) + 25


def test_plosives_begin_with_their_closure(voice: Voice) -> None:
    """In p, t and k between vowels the sound all but stops: the first half is far quieter than the vowels."""
    speech = say(voice)
    drops = []
    for before, plosive, after in zip(
        speech.segments, speech.segments[1:], speech.segments[2:], strict=False
    ):
        kinds = [visemes_of(s.phoneme, voice.synthesizer)[0] for s in (before, after)]
        if sound(plosive) in ("p", "t", "k") and min(kinds) >= 12:
            half = Segment("", plosive.start, (plosive.start + plosive.stop) / 2)
            drops.append(level(speech, before) - level(speech, half))
    assert len(drops) >= 2
    assert sum(drops) / len(drops) > 12


def test_bilabials_of_the_text_are_found_in_order(voice: Voice) -> None:
    """B-o-b p-acked a cu-p of a-pp-les. M-y p-a-p-er b-oat was o-p-en."""
    heard = "".join(sound(s) for s in say(voice).segments if sound(s) in ("p", "b", "m"))
    assert heard == "bbpppmppbp"


def test_speech_does_not_depend_on_what_was_said_before(voice: Voice) -> None:
    first = say(voice)
    say(voice, "Something else altogether, and rather longer than that.")
    again = say(voice)
    assert torch.equal(first.waveform, again.waveform)
    assert first.segments == again.segments


def test_a_higher_rate_is_faster(voice: Voice) -> None:
    slow, fast = (say(Voice(voice.synthesizer, voice.name, rate)).seconds for rate in (130, 215))
    assert slow > 1.25 * fast


def test_an_unknown_voice_is_refused_and_the_next_one_works(synthesizer: str) -> None:
    with pytest.raises(SynthesizerError, match="no-such-voice"):
        say(Voice(synthesizer, "no-such-voice"))
    assert say(next(v for v in VOICES if v.synthesizer == synthesizer)).seconds > 1


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_voices_of_every_split_speak(split: str, need: Callable[[str], str]) -> None:
    need("espeak")
    for name in voice_names(split)[:: 5 if split == "train" else 1]:
        speech = say(Voice("espeak", name), "Maybe.")
        assert speech.waveform.square().mean().sqrt() > 0.01, name


@pytest.mark.corpus
@pytest.mark.parametrize("name", FESTIVAL_VOICES)
def test_every_voice_of_festival_speaks_its_language(name: str, need: Callable[[str], str]) -> None:
    """Its vowels are louder than its other sounds, and every sound has a mouth shape."""
    voice = Voice(need("festival"), name)
    texts = texts_for(voice, 0, "train")
    with open_synthesizer(voice) as speak:
        spoken = [speak(next(texts)) for _ in range(8)]
    levels: dict[bool, list[float]] = {True: [], False: []}
    for speech in spoken:
        assert speech.waveform.square().mean().sqrt() > 0.01
        assert speech.segments[-1].stop == pytest.approx(speech.seconds)
        for segment in speech.segments:
            shape = visemes_of(segment.phoneme, "festival")[0]
            assert VISEMES[shape].name != "h" or sound(segment) in ("h", "hh", "hv"), segment.phoneme
            if shape != SILENT:
                levels[shape >= 12].append(level(speech, segment))
    assert mean(levels[True]) > mean(levels[False]) + 4


def test_festival_speaks_a_language_that_training_never_hears() -> None:
    languages = {
        split: {FESTIVAL_VOICES[name].language for name in voice_names(split, "festival")} for split in SPLITS
    }
    assert languages["validation"] == languages["test"] == {"fi"}
    assert "fi" not in languages["train"]
    assert len(languages["train"]) >= 8


def test_texts_are_in_the_language_of_the_voice() -> None:
    english = texts_for(Voice("festival", "ked"), 3, "test")
    assert next(english) == next(sentences(3, "test")) == next(texts_for(Voice("espeak", "en"), 3, "test"))
    words = next(texts_for(Voice("festival", "lj"), 3, "test")).replace(",", "").rstrip(".").split()
    assert 4 <= len(words) <= 10
    assert set(words) <= set(WORDS["fi"])


def test_without_festival_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ReadError, match="apt-get install festival festvox-ca-ona-hts"):
        say(Voice("festival", "ked"))


@pytest.mark.corpus
def test_a_voice_of_festival_that_is_not_installed_names_its_package(
    monkeypatch: pytest.MonkeyPatch, need: Callable[[str], str]
) -> None:
    need("festival")
    absent = replace(FESTIVAL_VOICES["ked"], command="not_there", package="festvox-absent")
    monkeypatch.setitem(FESTIVAL_VOICES, "absent", absent)
    with pytest.raises(SynthesizerError, match="apt-get install festvox-absent"):
        say(Voice("festival", "absent"))
    with pytest.raises(SynthesizerError, match="apt-get install festvox-absent"):
        require_synthesizer("festival")


def test_splits_share_no_espeak_variant() -> None:
    variants = [{name.split("+")[1] for name in voice_names(split)} for split in SPLITS]
    assert all(not a & b for a, b in combinations(variants, 2))
    assert len(voice_names("train")) > 200


def test_drawn_voices_stay_in_range_and_vary() -> None:
    generator = random.Random(0)
    drawn = [draw_voice(generator, "train") for _ in range(200)]
    assert len({voice.name for voice in drawn}) > 80
    assert all(120 <= voice.rate <= 225 and 10 <= voice.pitch <= 90 for voice in drawn)
    assert {draw_voice(generator, "test", "flite").name for _ in range(100)} == {"awb", "rms", "slt", "kal"}


def test_without_espeak_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ReadError, match="pip install"):
        say(VOICES[0])


def test_without_flite_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ReadError, match="apt-get install flite"):
        say(Voice("flite", "slt"))


def test_an_unknown_synthesizer_is_refused() -> None:
    with pytest.raises(InputError, match="espeak, festival, flite"):
        require_synthesizer("parrot")


def energy(waveform: Tensor, step: int) -> Tensor:
    """RMS of each ``step`` samples."""
    return waveform[: len(waveform) // step * step].view(-1, step).square().mean(dim=1).sqrt()


def test_sound_and_phonemes_begin_together(voice: Voice) -> None:
    speech = say(voice, "Open it at eight.")
    first = next(s for s in speech.segments if visemes_of(s.phoneme, voice.synthesizer)[0] != SILENT)
    loud = energy(speech.waveform, 80)
    begins = float((loud > 0.05 * loud.max()).nonzero()[0]) * 0.005
    assert begins == pytest.approx(first.start, abs=0.05)
