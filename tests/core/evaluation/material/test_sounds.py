"""Recordings as users feed them: each does to the sound what its name says, and keeps the truth in time."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.speech.synthesis import SynthesizerError, require_synthesizer
from read_core.corpus.speech.visemes import SILENT, VISEMES
from read_core.evaluation.material.sounds import (
    GERMAN,
    active_samples,
    at_level,
    by_telephone,
    chords,
    finnish_speech,
    german_speech,
    music_alone,
    noise_alone,
    speech_at_rate,
    sung,
    with_music,
)


def level(waveform):
    return 10 * torch.log10(waveform.double().square().mean())


def tone(hertz, samples=16000):
    return 0.3 * torch.sin(2 * torch.pi * hertz * torch.arange(samples) / 16000)


def test_music_lies_as_far_below_the_speech_as_asked():
    speech, active = tone(200, 64000), torch.zeros(64000, dtype=torch.bool)
    active[:32000] = True
    speech[32000:] = 0
    music = with_music(speech, active, 10.0) - speech
    assert float(level(speech[active]) - level(music)) == pytest.approx(10, abs=0.1)
    assert torch.equal(with_music(speech, active, 10.0), with_music(speech, active, 10.0))


def test_chords_are_notes_of_a_scale():
    spectrum = torch.fft.rfft(chords(16000)).abs()  # 1 Hz apart; the first chord: a, c sharp, e
    loudest = spectrum[:250].topk(1).indices
    assert int(loudest) in {110, 139, 165, 220}
    assert spectrum[100:500].sum() > 5 * spectrum[1500:].sum() / 10


@pytest.mark.parametrize(("hertz", "kept"), [(100, False), (1000, True), (3000, True), (5000, False)])
def test_a_telephone_keeps_300_to_3400_hertz(hertz, kept):
    changed = by_telephone(tone(hertz))
    assert changed.shape == (16000,)
    lost = float(level(tone(hertz)) - level(changed))
    assert (lost < 1) if kept else (lost > 20)


def test_a_quiet_recording_has_its_level_and_only_few_steps():
    active = torch.ones(16000, dtype=torch.bool)
    quiet = at_level(tone(200), active, -40)
    assert float(level(quiet)) == pytest.approx(-40, abs=0.1)
    assert len(quiet.unique()) < 1000


def test_music_and_noise_alone_are_as_loud_as_speech():
    music, noise = music_alone(32000), noise_alone(32000, 3)
    assert music.shape == noise.shape == (32000,)
    assert music.dtype == noise.dtype == torch.float32
    assert float(level(music)) == pytest.approx(-22, abs=0.1)
    assert float(level(noise)) == pytest.approx(-22, abs=0.1)
    assert torch.equal(noise_alone(32000, 3), noise)
    assert not torch.equal(noise_alone(32000, 4), noise)
    tonal = [torch.fft.rfft(sound.double()).abs().topk(100).values.square().sum() for sound in (music, noise)]
    assert tonal[0] > 3 * tonal[1]  # noise has power everywhere


def test_active_samples_are_those_of_sounds():
    phonemes = torch.tensor([SILENT, 5, 5, SILENT])
    assert active_samples(phonemes).view(4, 320)[:, 0].tolist() == [False, True, True, False]


@pytest.mark.parametrize("frames", [41, 130])
def test_a_tune_is_sung_on_long_vowels(frames):
    song = sung(0, frames)
    assert song.waveform.shape == (640 * frames,)
    assert song.mouth.shape == (frames, 3)
    assert song.phonemes.shape == (2 * frames,)
    changes = int((song.phonemes.diff() != 0).sum())
    assert changes < frames / 25 * 6  # speech has twenty and more a second
    assert float(level(song.waveform)) > -40
    names = {VISEMES[index].name for index in song.phonemes.tolist()}
    assert names <= {"sil", "aa", "iy", "ao", "eh", "uw", "p", "l"}
    assert len(names) > (5 if frames > 100 else 2)
    assert song.mouth[song.closures, 0].max() < 0.1 if frames > 100 else True


def test_every_seed_sings_in_an_order_of_its_own():
    songs = [sung(seed, 130).mouth[:, 0] for seed in range(4)]
    assert torch.corrcoef(torch.stack(songs)).fill_diagonal_(0).max() < 0.9
    assert torch.equal(sung(2, 130).mouth[:, 0], songs[2])


@pytest.mark.corpus
def test_fast_speech_has_more_sounds_a_second_than_slow():
    pytest.importorskip("espeakng_loader")
    fast, slow = speech_at_rate(300, 1, 100), speech_at_rate(90, 1, 100)
    count = [int((each.phonemes.diff() != 0).sum()) for each in (fast, slow)]
    assert count[0] > 1.8 * count[1]
    assert fast.waveform.shape == slow.waveform.shape == (64000,)
    assert torch.equal(speech_at_rate(300, 1, 100).waveform, fast.waveform)


@pytest.mark.corpus
def test_finnish_has_a_voice_of_its_own_for_every_video():
    try:
        require_synthesizer("festival")
    except SynthesizerError as error:
        pytest.skip(str(error))
    finnish = finnish_speech(0, 200)
    assert finnish.voice.startswith("festival:mv:r175")
    assert len(finnish.mouth) == 200
    assert not torch.equal(finnish.waveform, finnish_speech(1, 200).waveform)
    names = [VISEMES[index].name for index in finnish.phonemes.tolist()]
    assert names.count("h") < 0.1 * len(names)
    loud = finnish.waveform.view(200, 640).square().mean(dim=1).sqrt()
    assert torch.corrcoef(torch.stack([loud, finnish.mouth[:, 0]]))[0, 1] > 0.3


@pytest.mark.corpus
def test_german_has_lips_of_its_own():
    pytest.importorskip("espeakng_loader")
    german = german_speech(0, 400)
    assert german.voice.startswith("espeak:de+")
    assert len(set(GERMAN)) == len(GERMAN)
    names = [VISEMES[index].name for index in german.phonemes.tolist()]
    assert names.count("h") < 0.05 * len(names)  # what no table knows counts as h
    assert german.mouth[:, 2].max() > 0.5  # fünf, über: rounded
    loud = german.waveform.view(400, 640).square().mean(dim=1).sqrt()
    opening = german.mouth[:, 0]
    assert torch.corrcoef(torch.stack([loud, opening]))[0, 1] > 0.3
