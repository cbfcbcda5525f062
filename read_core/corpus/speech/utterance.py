"""One recording of the corpus: random sentences in a random voice, with the mouth track."""

from __future__ import annotations

import random
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ...errors import InputError
from ...geometry import SAMPLE_RATE, frames_of_samples
from .augment import augment, change_size, insert_silence
from .sentences import check_split
from .singing import sing
from .synthesis import check_synthesizer, draw_voice, open_synthesizer, texts_for
from .synthesized import Speech, join, pause
from .visemes import SILENT, closure_frames, is_pause, mouth_track, phoneme_targets, viseme_spans

if TYPE_CHECKING:
    from torch import Tensor

MAX_SECONDS = 3600.0

_SAYS_NOTHING = 0.05  # share of the training recordings with only noise, music or silence
_SINGS = 0.08  # share of the training's recordings
_RESIZED = 0.5  # share of the training voices that are changed in size
_SIZES = (0.87, 1.18)
_RESTS = 0.2  # share of long pauses between sentences in training


@dataclass(frozen=True)
class Utterance:
    """A synthetic recording with its true mouth track; F = ceil(25 * seconds).

    Attributes:
        waveform: (samples,) float32 -1..1, 16 kHz.
        mouth: (F, 3) float32, [open 0..1, width -1..1, round 0..1] at 25 fps.
        phonemes: (2 F,) int64, viseme class per 20 ms (0 is silence), see ``visemes.VISEMES``.
        closures: (K,) int64, the frames with the middle of each p, b or m.
        text: the spoken text (its end may be cut off).
        voice: synthesizer, voice name, rate, pitch and intonation, and whether it sings.
        seconds: duration, samples / 16000.
    """

    waveform: Tensor
    mouth: Tensor
    phonemes: Tensor
    closures: Tensor
    text: str
    voice: str
    seconds: float


def sample_utterance(
    seed: int, seconds: float | None = None, split: str = "train", synthesizer: str = "espeak"
) -> Utterance:
    """The recording for ``seed``; the same arguments always give the same recording.

    In the training split, some recordings have background music, some are sung (not by Festival), one in
    twenty has no speech, and half of espeak's and Festival's voices are changed in size.

    Args:
        seed: any integer.
        seconds: exact duration; sentences are concatenated and cut. None: one to three sentences.
        split: "train", "validation" or "test"; they share no sentence, pattern or espeak variant.
        synthesizer: "espeak", "festival", or "flite" for the held-out voices.

    Raises:
        InputError: ``seconds``, ``split`` or ``synthesizer`` out of range.
        SynthesizerError: the synthesizer is not installed; the message says how to install it.
    """
    check_split(split)
    check_synthesizer(synthesizer)
    check_seconds(seconds)
    generator = random.Random(f"utterance/{split}/{synthesizer}/{seed}")
    voice = draw_voice(generator, split, synthesizer)
    training = split == "train"
    tune = random.Random(f"tune/{split}/{synthesizer}/{seed}")
    sings = training and synthesizer != "festival" and tune.random() < _SINGS
    singer = nullcontext(partial(sing, voice=voice, generator=tune))
    vary = random.Random(f"variety/{split}/{synthesizer}/{seed}")
    varied = training and synthesizer in ("espeak", "festival")
    size = vary.uniform(*_SIZES) if varied and vary.random() < _RESIZED else 1.0
    with singer if sings else open_synthesizer(voice) as speak:
        parts, texts = [pause(generator.uniform(0.0, 0.5), synthesizer)], []
        count = generator.randint(1, 3)
        for text in texts_for(voice, generator.getrandbits(32), split):
            texts.append(text)
            rest = generator.uniform(0.05, 0.7)
            if varied and vary.random() < _RESTS:
                rest += vary.uniform(0.5, 1.6)
            parts += [change_size(speak(text), size), pause(rest, synthesizer)]
            spoken = sum(part.seconds for part in parts)
            if (len(texts) >= count) if seconds is None else (spoken >= seconds):
                break
    speech = _hesitate(join(parts), generator)
    if seconds is not None:
        speech = _fit(speech, max(1, round(seconds * SAMPLE_RATE)))
    noise = torch.Generator().manual_seed(generator.getrandbits(63))
    if training and generator.random() < _SAYS_NOTHING:
        speech, texts = pause(speech.seconds, synthesizer), []
    frames = frames_of_samples(speech.waveform.shape[0])
    return Utterance(
        waveform=augment(speech.waveform, _active(speech), noise, music=training),
        mouth=mouth_track(speech.segments, speech.alphabet, frames),
        phonemes=phoneme_targets(speech.segments, speech.alphabet, frames),
        closures=closure_frames(speech.segments, speech.alphabet, frames),
        text=" ".join(texts),
        voice=f"{voice.describe()}:sung" if sings else voice.describe(),
        seconds=speech.seconds,
    )


def check_seconds(seconds: float | None) -> None:
    """Raise InputError unless ``seconds`` is None or a possible duration."""
    if seconds is not None and not 0 < seconds <= MAX_SECONDS:
        raise InputError(f"seconds is {seconds}; expected more than 0 and at most {MAX_SECONDS:.0f}")


def _hesitate(speech: Speech, generator: random.Random) -> Speech:
    """Insert random pauses: mostly at existing pauses, sometimes within a sentence."""
    for index in range(len(speech.segments) - 1, 0, -1):
        likely = 0.15 if is_pause(speech.segments[index], speech.alphabet) else 0.004
        if generator.random() < likely:
            speech = insert_silence(speech, index, generator.uniform(0.15, 0.8))
    return speech


def _fit(speech: Speech, samples: int) -> Speech:
    """Cut or pad with silence to exactly ``samples``."""
    waveform = F.pad(speech.waveform, (0, samples - speech.waveform.shape[0]))
    end = samples / SAMPLE_RATE
    kept = [replace(s, stop=min(s.stop, end)) for s in speech.segments if s.start < end]
    return Speech(waveform, tuple(kept), speech.alphabet)


def _active(speech: Speech) -> Tensor:
    """Samples inside a phoneme: (samples,) bool."""
    active = torch.zeros(speech.waveform.shape[0], dtype=torch.bool)
    for viseme, start, stop in viseme_spans(speech.segments, speech.alphabet):
        if viseme != SILENT:
            active[round(start * SAMPLE_RATE) : round(stop * SAMPLE_RATE)] = True
    return active
