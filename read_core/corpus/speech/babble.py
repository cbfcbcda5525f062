"""A stand-in for a synthesizer that needs no installation: it spells a text, one sound per letter.

It does not sound like speech, but its phoneme times fit its sound. So corpus and training can be tried and
tested without a real synthesizer.
"""

from __future__ import annotations

import hashlib
import math
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ...geometry import SAMPLE_RATE
from .espeak import SynthesizerError
from .synthesized import SILENCE, Segment, Speech, Voice, on_grid

_PITCHES = {"low": 95.0, "middle": 140.0, "high": 210.0}  # Hz
BABBLE_VOICES = tuple(_PITCHES)


class _Sound(NamedTuple):
    phoneme: str  # as flite writes it
    seconds: float
    voiced: float = 0.0
    hiss: float = 0.0
    formants: tuple[float, float] = (500.0, 1500.0)  # Hz


_PAUSE = _Sound(SILENCE["babble"], 0.04)
_STOP = _Sound(SILENCE["babble"], 0.20)
_SOUNDS = {
    "a": _Sound("aa", 0.13, 1.0, 0.0, (750, 1150)),
    "e": _Sound("eh", 0.11, 1.0, 0.0, (550, 1800)),
    "i": _Sound("iy", 0.11, 0.8, 0.0, (300, 2300)),
    "o": _Sound("ao", 0.13, 1.0, 0.0, (550, 850)),
    "u": _Sound("uw", 0.12, 0.8, 0.0, (320, 750)),
    "m": _Sound("m", 0.09, 0.35, 0.0, (250, 1000)),
    "n": _Sound("n", 0.07, 0.35, 0.0, (300, 1600)),
    "l": _Sound("l", 0.07, 0.5, 0.0, (400, 1300)),
    "r": _Sound("r", 0.07, 0.5, 0.0, (450, 1250)),
    "w": _Sound("w", 0.09, 0.5, 0.0, (300, 650)),
    "v": _Sound("v", 0.07, 0.3, 0.1, (300, 1200)),
    "f": _Sound("f", 0.09, 0.0, 0.15),
    "s": _Sound("s", 0.10, 0.0, 0.35),
    "j": _Sound("sh", 0.10, 0.0, 0.3),
    "h": _Sound("hh", 0.06, 0.0, 0.1),
    "b": _Sound("b", 0.08, 0.05),
    "p": _Sound("p", 0.08),
    "d": _Sound("d", 0.06, 0.1),
    "t": _Sound("t", 0.06, 0.0, 0.05),
    "k": _Sound("k", 0.06, 0.0, 0.05),
}
_SAME = str.maketrans("ycqgzx", "ikkkss")
_GLIDE = 161  # samples, about 10 ms: sounds blend into each other


def speak_babble(text: str, voice: Voice) -> Speech:
    """Spell ``text``; the same arguments give the same samples.

    Raises:
        SynthesizerError: the voice is unknown.
    """
    if voice.name not in _PITCHES:
        raise SynthesizerError(
            f"babble has no voice {voice.name!r}; expected one of {', '.join(BABBLE_VOICES)}"
        )
    letters = [letter for letter, _ in groupby(text.lower().translate(_SAME))]
    sounds = [_PAUSE, *(_sound(letter) for letter in letters), _PAUSE]
    lengths = [round(s.seconds * 175 / voice.rate * SAMPLE_RATE) for s in sounds]
    edges = torch.tensor([0, *lengths]).cumsum(0).tolist()
    segments = tuple(
        Segment(sound.phoneme, start / SAMPLE_RATE, stop / SAMPLE_RATE)
        for sound, start, stop in zip(sounds, edges, edges[1:], strict=False)
    )
    rows = torch.tensor([(s.voiced, s.hiss, *s.formants) for s in sounds], dtype=torch.float64)
    tracks = _smooth(rows.repeat_interleave(torch.tensor(lengths), dim=0).T)
    seed = int.from_bytes(hashlib.sha256(f"{text}/{voice.describe()}".encode()).digest()[:7], "big")
    noise = torch.randn(tracks.shape[1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    voiced, hiss, first, second = tracks
    sound = voiced * _buzz(_pitch(voice, tracks.shape[1]), first, second)
    sound += hiss * torch.cat([noise[:1], noise.diff()]) / 2
    return Speech(on_grid(0.5 * sound / sound.abs().amax().clamp(min=1e-3)), segments, "babble")


def _sound(letter: str) -> _Sound:
    return _SOUNDS.get(letter, _PAUSE if letter in " '-" else _STOP)


def _smooth(tracks: Tensor) -> Tensor:
    """Average (n, samples) over ``_GLIDE`` samples."""
    padded = F.pad(tracks[None], (_GLIDE // 2, _GLIDE // 2), mode="replicate")
    return F.avg_pool1d(padded, _GLIDE, 1)[0]


def _pitch(voice: Voice, samples: int) -> Tensor:
    """Fundamental frequency in Hz, (samples,): the voice's, raised by its pitch, with a slow melody."""
    time = torch.arange(samples, dtype=torch.float64) / SAMPLE_RATE
    melody = 0.002 * voice.intonation * torch.sin(2 * math.pi * 0.7 * time)
    pitch: Tensor = _PITCHES[voice.name] * 2 ** ((voice.pitch - 50) / 100 + melody)
    return pitch


def _buzz(pitch: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Two formants that ring in every period of ``pitch``; all (samples,), in Hz."""
    phase = (pitch.cumsum(0) / SAMPLE_RATE) % 1
    ringing = torch.sin(2 * math.pi * phase * first / pitch) + 0.5 * torch.sin(
        2 * math.pi * phase * second / pitch
    )
    return torch.exp(-3 * phase) * ringing
