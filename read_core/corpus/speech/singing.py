"""Singing: a synthesizer's voice on the notes of a tune, with held sounds and known phoneme times."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torchaudio.functional import phase_vocoder

from .synthesis import open_synthesizer
from .synthesized import Speech, join, on_grid

if TYPE_CHECKING:
    import random

    from .synthesized import Voice

_RATES = (80, 130)  # words a minute, before sounds are held
_HELD = (1.2, 2.6)  # times as long as spoken
_STEPS = (-25, -12, -6, 0, 6, 12, 25)  # from note to note, in the 0..100 of a voice's pitch
_WORDS = 3  # on a note, at most
_WINDOW, _HOP = 512, 128  # samples


def sing(text: str, voice: Voice, generator: random.Random) -> Speech:
    """Sing ``text``: one to three words on every note, all at one tempo; ``generator`` draws the tune.

    Pitch, intonation and rate of ``voice`` are ignored.

    Raises:
        SynthesizerError: the synthesizer is not installed or does not know the voice.
    """
    words, notes = text.split(), []
    slow = replace(voice, rate=generator.randint(*_RATES), intonation=0)
    held, pitch = generator.uniform(*_HELD), generator.randint(20, 80)
    while words:
        count = generator.randint(1, _WORDS)
        with open_synthesizer(replace(slow, pitch=pitch)) as speak:
            notes.append(hold(speak(" ".join(words[:count])), held))
        words = words[count:]
        pitch = min(max(pitch + generator.choice(_STEPS), 0), 100)
    return join(notes)


def hold(speech: Speech, factor: float) -> Speech:
    """The same sounds ``factor`` times as long, with unchanged pitch and timbre."""
    samples = round(len(speech.waveform) * factor)
    window = torch.hann_window(_WINDOW, dtype=torch.float64)
    spectrum = torch.stft(speech.waveform.double(), _WINDOW, _HOP, window=window, return_complex=True)
    advance = torch.linspace(0, math.pi * _HOP, _WINDOW // 2 + 1, dtype=torch.float64)[:, None]
    stretched = phase_vocoder(spectrum, 1 / factor, advance)
    waveform = torch.istft(stretched, _WINDOW, _HOP, window=window, length=samples)
    peak = speech.waveform.abs().amax().double()
    waveform = waveform * (peak / waveform.abs().amax().clamp(min=1e-9)).clamp(max=1)
    ratio = samples / len(speech.waveform)
    segments = tuple(replace(s, start=s.start * ratio, stop=s.stop * ratio) for s in speech.segments)
    return Speech(on_grid(waveform), segments, speech.alphabet)
