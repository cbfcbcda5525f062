"""Recordings as users have them: music, telephones, other languages, no speech."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F
from torchaudio.functional import resample

from ...corpus.speech.augment import band_limit, colored_noise, set_loudness
from ...corpus.speech.babble import speak_babble
from ...corpus.speech.sentences import sentences
from ...corpus.speech.synthesis import draw_voice, open_synthesizer, texts_for
from ...corpus.speech.synthesized import Speech, Voice, join, on_grid, pause
from ...corpus.speech.utterance import Utterance
from ...corpus.speech.visemes import SILENT, closure_frames, mouth_track, phoneme_targets
from ...geometry import SAMPLE_RATE, SAMPLES_PER_FEATURE, SAMPLES_PER_FRAME

if TYPE_CHECKING:
    from torch import Tensor

PLAIN_RATE, FAST_RATE, SLOW_RATE = 175, 300, 90  # words a minute; the corpus has 120 to 225
TELEPHONE = (300.0, 3400.0, 8000)  # Hz: lowest, highest, sample rate
_LOUDNESS = -22.0  # dBFS, the middle of the corpus
_SLOPE = 1.0  # slope of room noise, see read_core.corpus.speech.augment
_PAUSE = 0.3  # seconds between sentences

# Roots (in semitones from a) and thirds of four chords, and the partials of a plucked string.
_CHORDS = ((-12, 4), (-5, 4), (-3, 3), (-7, 4))
_A, _CHORD_SECONDS, _DECAY = 220.0, 1.0, 0.6  # Hz, s, s
_PARTIALS = (1.0, 0.5, 0.3, 0.15)

_TUNE = (
    (20, "a"),
    (40, "i"),
    (60, "ma"),
    (80, "o"),
    (60, "lu"),
    (40, "e"),
    (20, "ma"),
)  # pitch 0..100, sound
_SUNG_RATE = 35  # a vowel lasts 0.6 s

GERMAN = (
    "Guten Morgen, wie geht es Ihnen heute?",
    "Der Zug fährt um fünf Uhr über die große Brücke nach München.",
    "Ich möchte bitte zwei Pfund Äpfel und ein bisschen Butter kaufen.",
    "Früher war alles besser, sagte der alte Mann und lachte leise.",
    "Neun hübsche Vögel sitzen müde auf dem Dach.",
    "Meine Schwester wohnt jetzt in Hamburg und arbeitet bei der Post.",
    "Öffne bitte das Fenster, denn es ist sehr warm hier drinnen.",
)
# espeak's mnemonics of German sounds that English lacks, as the English ones with the nearest lips.
_GERMAN_SOUNDS = {
    "C": "j", "ts": "s", "pF": "p", "y": "u", "y:": "u:", "Y": "U", "Y:": "u:", "W": "U", "e:": "I",
    "E:": "E", "o:": "O:", "OY": "OI", "UR": "U", "3": "@",
}  # fmt: skip


def with_music(waveform: Tensor, active: Tensor, snr: float) -> Tensor:
    """Chords under speech (samples,), ``snr`` dB below its power where ``active`` (samples,) is true."""
    music = chords(len(waveform))
    power = waveform[active].square().mean() if bool(active.any()) else waveform.square().mean()
    mixed = waveform + music * (power * 10 ** (-snr / 10)).sqrt()
    return on_grid(mixed * (0.99 / mixed.abs().amax().clamp(min=0.99)))


def chords(samples: int) -> Tensor:
    """Four plucked chords, repeated, with unit power: (samples,) float64."""
    time = torch.arange(samples, dtype=torch.float64) / SAMPLE_RATE
    chord = (time / _CHORD_SECONDS).long() % len(_CHORDS)
    since = time % _CHORD_SECONDS
    notes = torch.tensor([(root, root + third, root + 7) for root, third in _CHORDS], dtype=torch.float64)
    pitch = _A * 2 ** (notes[chord] / 12)  # (samples, 3)
    tone = sum(
        level * torch.sin(2 * torch.pi * (rank + 1) * pitch * since[:, None]).sum(dim=1)
        for rank, level in enumerate(_PARTIALS)
    )
    music = tone * torch.exp(-since / _DECAY) * (since / 0.005).clamp(max=1)
    return music / music.square().mean().sqrt()


def music_alone(samples: int) -> Tensor:
    """Chords as loud as the speech of the corpus: (samples,) float32."""
    return _as_loud_as_speech(chords(samples))


def noise_alone(samples: int, seed: int) -> Tensor:
    """Room noise as loud as the speech of the corpus: (samples,) float32."""
    generator = torch.Generator().manual_seed(seed)
    return _as_loud_as_speech(colored_noise(samples, _SLOPE, generator))


def by_telephone(waveform: Tensor) -> Tensor:
    """300 to 3400 Hz at 8000 samples a second, back at 16 kHz: (samples,) float32."""
    low, high, rate = TELEPHONE
    narrow = resample(band_limit(waveform.double(), low, high), SAMPLE_RATE, rate)
    return on_grid(resample(narrow, rate, SAMPLE_RATE)[: len(waveform)])


def at_level(waveform: Tensor, active: Tensor, decibels: float) -> Tensor:
    """A recording of ``decibels`` dBFS where ``active`` (samples,) is true, in 16-bit steps."""
    return on_grid(set_loudness(waveform.double(), active, decibels))


def active_samples(phonemes: Tensor) -> Tensor:
    """Samples with speech: viseme classes per 20 ms (2 F,) -> (640 F,) bool."""
    return (phonemes != SILENT).repeat_interleave(SAMPLES_PER_FEATURE)


def speech_at_rate(rate: int, seed: int, frames: int) -> Utterance:
    """Sentences of the test split by an espeak voice at ``rate`` words a minute, without augmentation.

    Raises:
        SynthesizerError: espeak-ng is not installed.
    """
    generator = random.Random(f"said/{seed}")
    voice = replace(draw_voice(generator, "test"), rate=rate)
    return _utterance_of(sentences(seed, "test"), voice, frames)


def german_speech(seed: int, frames: int) -> Utterance:
    """German sentences by espeak's German voice in a variant of the test split, without augmentation.

    Raises:
        SynthesizerError: espeak-ng is not installed.
    """
    generator = random.Random(f"german/{seed}")
    drawn = draw_voice(generator, "test")
    voice = replace(drawn, name=f"de+{drawn.name.rpartition('+')[2]}", rate=PLAIN_RATE)
    texts = generator.sample(GERMAN, len(GERMAN))
    return _utterance_of(cycle(texts), voice, frames, _GERMAN_SOUNDS)


def finnish_speech(seed: int, frames: int) -> Utterance:
    """Finnish words by a recorded voice of Festival that no training hears, without augmentation.

    Raises:
        SynthesizerError: Festival or the voice is not installed.
    """
    voice = replace(draw_voice(random.Random(f"finnish/{seed}"), "test", "festival"), rate=PLAIN_RATE)
    return _utterance_of(texts_for(voice, seed, "test"), voice, frames)


def sung(seed: int, frames: int) -> Utterance:
    """Long vowels on the notes of a tune, in a different order per seed, by the stand-in synthesizer."""
    tune = random.Random(f"sung/{seed}").sample(_TUNE, len(_TUNE))
    names = ("low", "middle", "high")
    parts = _until_long_enough(
        (
            speak_babble(text, Voice("babble", names[seed % 3], _SUNG_RATE, pitch, intonation=0))
            for pitch, text in cycle(tune)
        ),
        frames,
    )
    return _recorded(join(list(parts)), "a tune", "babble", frames)


def _as_loud_as_speech(waveform: Tensor) -> Tensor:
    return at_level(waveform, torch.ones(len(waveform), dtype=torch.bool), _LOUDNESS)


def _utterance_of(
    texts: Iterable[str], voice: Voice, frames: int, sounds: dict[str, str] | None = None
) -> Utterance:
    with open_synthesizer(voice) as speak:
        spoken = (join([speak(text), pause(_PAUSE, voice.synthesizer)]) for text in texts)
        speech = join([pause(_PAUSE, voice.synthesizer), *_until_long_enough(spoken, frames)])
    if sounds:
        renamed = (replace(each, phoneme=sounds.get(each.phoneme, each.phoneme)) for each in speech.segments)
        speech = replace(speech, segments=tuple(renamed))
    return _recorded(speech, "", voice.describe(), frames)


def _until_long_enough(parts: Iterable[Speech], frames: int) -> Iterator[Speech]:
    samples = 0
    for part in parts:
        yield part
        samples += len(part.waveform)
        if samples >= frames * SAMPLES_PER_FRAME:
            return


def _recorded(speech: Speech, text: str, voice: str, frames: int) -> Utterance:
    samples = frames * SAMPLES_PER_FRAME
    kept = F.pad(speech.waveform, (0, max(0, samples - len(speech.waveform))))[:samples]
    phonemes = phoneme_targets(speech.segments, speech.alphabet, frames)
    return Utterance(
        waveform=at_level(kept, active_samples(phonemes), _LOUDNESS),
        mouth=mouth_track(speech.segments, speech.alphabet, frames),
        phonemes=phonemes,
        closures=closure_frames(speech.segments, speech.alphabet, frames),
        text=text,
        voice=voice,
        seconds=samples / SAMPLE_RATE,
    )
