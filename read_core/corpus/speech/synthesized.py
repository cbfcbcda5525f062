"""Result of a synthesizer: a waveform and its phonemes."""

from __future__ import annotations

import wave
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torchaudio

from ...geometry import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

INT16 = 32768


@dataclass(frozen=True)
class Segment:
    """One phoneme: its mnemonic in the synthesizer's alphabet, from ``start`` to ``stop`` in seconds."""

    phoneme: str
    start: float
    stop: float

    def shifted(self, seconds: float) -> Segment:
        """The same phoneme ``seconds`` later."""
        return replace(self, start=self.start + seconds, stop=self.stop + seconds)


@dataclass(frozen=True)
class Voice:
    """A voice and how it speaks.

    Attributes:
        synthesizer: one of ``synthesis.SYNTHESIZERS``; also the alphabet of the phonemes.
        name: the synthesizer's name of the voice, with its variant.
        rate: words per minute; 175 is normal.
        pitch, intonation: 0..100; 50 is the voice's default; only espeak regards them.
    """

    synthesizer: str
    name: str
    rate: int = 175
    pitch: int = 50
    intonation: int = 50

    def describe(self) -> str:
        """A unique name, e.g. "espeak:en-us+f3:r160:p55:i40"."""
        return f"{self.synthesizer}:{self.name}:r{self.rate}:p{self.pitch}:i{self.intonation}"


@dataclass(frozen=True)
class Speech:
    """A spoken text.

    Attributes:
        waveform: (samples,) float32 -1..1 at 16 kHz, mono.
        segments: phonemes and pauses in order; they follow each other without gaps from 0 to the end.
        alphabet: alphabet of the mnemonics: the synthesizer's name.
    """

    waveform: Tensor
    segments: tuple[Segment, ...]
    alphabet: str

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.waveform.shape[0] / SAMPLE_RATE


def to_corpus_rate(waveform: Tensor, sample_rate: int) -> Tensor:
    """(samples,) at ``sample_rate`` to 16 kHz, float32."""
    if sample_rate == SAMPLE_RATE:
        return waveform
    return on_grid(_resampler(sample_rate)(waveform.double()))


def read_wave(path: Path) -> Tensor:
    """A mono WAV file of 16-bit samples as (samples,) float32 -1..1 at 16 kHz."""
    with wave.open(str(path)) as file:
        native_rate = file.getframerate()
        data = bytearray(file.readframes(file.getnframes()))
    native = torch.frombuffer(data, dtype=torch.int16).float() / INT16
    return to_corpus_rate(native, native_rate).contiguous()


def on_grid(waveform: Tensor) -> Tensor:
    """Round (samples,) float64 -1..1 to 16-bit values, as float32.

    Fourier transforms and convolutions differ in their last bits from run to run; rounding makes a corpus
    reproducible.
    """
    return ((waveform * INT16).round() / INT16).float().contiguous()


@lru_cache
def _resampler(sample_rate: int) -> Callable[[Tensor], Tensor]:
    resampler: Callable[[Tensor], Tensor] = torchaudio.transforms.Resample(
        sample_rate, SAMPLE_RATE, dtype=torch.float64
    )
    return resampler


def pause(seconds: float, alphabet: str) -> Speech:
    """Digital silence of about ``seconds`` (whole samples)."""
    waveform = torch.zeros(max(1, round(seconds * SAMPLE_RATE)))
    return Speech(waveform, (Segment(SILENCE[alphabet], 0.0, waveform.shape[0] / SAMPLE_RATE),), alphabet)


def join(parts: Sequence[Speech]) -> Speech:
    """Concatenate ``parts`` of one alphabet."""
    segments: list[Segment] = []
    start = 0.0
    for part in parts:
        segments += [segment.shifted(start) for segment in part.segments]
        start += part.seconds
    return Speech(torch.cat([part.waveform for part in parts]), tuple(segments), parts[0].alphabet)


# The mnemonic of a pause in each alphabet.
SILENCE = {"espeak": "_", "festival": "pau", "flite": "pau", "babble": "pau"}
