"""Background music for the corpus: chords, a tune, a bass, a beat; random, seeded, at 16 kHz."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ...geometry import SAMPLE_RATE

if TYPE_CHECKING:
    from torch import Generator, Tensor

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10))
_BEATS_IN_BAR = 4
_LOWEST_ROOT = 55.0  # hertz
_PARTIALS = 10
_HIGHEST = 0.45 * SAMPLE_RATE  # hertz of the highest partial
_ATTACK = 0.004  # seconds, the shortest
_QUIET_POWER = 1e-12


class Band:
    """Instruments with random timbre that play one scale at one tempo.

    Args:
        generator: draws timbres, notes and beats.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._beat = 60 / self._uniform(60, 170)
        self._root = _LOWEST_ROOT * 2 ** self._uniform(0, 1)
        self._scale = _SCALES[self._pick(len(_SCALES))]

    def play(self, samples: int) -> Tensor:
        """One to four of the instruments together, with unit power: (samples,) float64."""
        voices = [self._chords, self._tune, self._bass, self._drum]
        playing = [voice for voice in voices if self._chance(0.6)] or [voices[self._pick(3)]]
        mixed = torch.zeros(samples, dtype=torch.float64)
        for voice in playing:
            part = voice(samples)
            mixed += part * self._uniform(0.4, 1) / part.square().mean().clamp(min=_QUIET_POWER).sqrt()
        return mixed / mixed.square().mean().clamp(min=_QUIET_POWER).sqrt()

    def _chords(self, samples: int) -> Tensor:
        degrees = [self._pick(len(self._scale)) for _ in range(4)]
        bar = _BEATS_IN_BAR * self._beat
        return self._notes(
            samples,
            [
                (index * bar, bar, 2 * self._pitch(degrees[index % 4] + third))
                for index in range(self._count(samples, bar))
                for third in (0, 2, 4)
            ],
            decay=self._uniform(0.5, 4),
        )

    def _tune(self, samples: int) -> Tensor:
        step = self._beat / (1 + self._pick(2))
        degree, notes = self._pick(7), []
        for index in range(self._count(samples, step)):
            degree += self._pick(5) - 2
            if self._chance(0.75):
                notes.append((index * step, step, 4 * self._pitch(degree % 14)))
        return self._notes(samples, notes, decay=self._uniform(0.1, 1.5))

    def _bass(self, samples: int) -> Tensor:
        count = self._count(samples, self._beat)
        notes = [(i * self._beat, self._beat, self._pitch(self._pick(5))) for i in range(count)]
        return self._notes(samples, notes, decay=self._uniform(0.2, 1))

    def _drum(self, samples: int) -> Tensor:
        noise = torch.randn(samples, generator=self._generator, dtype=torch.float64)
        since = torch.arange(samples, dtype=torch.float64) / SAMPLE_RATE % (self._beat / (1 + self._pick(2)))
        return noise * torch.exp(-since / self._uniform(0.02, 0.12))

    def _notes(self, samples: int, notes: list[tuple[float, float, float]], decay: float) -> Tensor:
        """Notes (start, seconds, hertz) played by one instrument that rings for about ``decay`` seconds."""
        out = torch.zeros(samples, dtype=torch.float64)
        attack = _ATTACK + self._uniform(0, 0.08) ** 2 * 10
        fall, vibrato = self._uniform(0.5, 2.5), self._uniform(0, 0.004)
        levels = torch.arange(1, _PARTIALS + 1, dtype=torch.float64) ** -fall
        levels *= 0.3 + torch.rand(_PARTIALS, generator=self._generator, dtype=torch.float64)
        for start, seconds, hertz in notes:
            first = round(start * SAMPLE_RATE)
            length = min(round(seconds * SAMPLE_RATE), samples - first)
            if length <= 0:
                continue
            time = torch.arange(length, dtype=torch.float64) / SAMPLE_RATE
            phase = 2 * torch.pi * hertz * (time + vibrato / 30 * torch.sin(30 * time))
            ranks = torch.arange(1, 1 + min(_PARTIALS, max(1, int(_HIGHEST / hertz))))
            tone = levels[: len(ranks)] @ torch.sin(ranks[:, None] * phase)
            shape = torch.exp(-time / decay) * (time / attack).clamp(max=1)
            release = ((length - torch.arange(length)) / (_ATTACK * SAMPLE_RATE)).clamp(max=1)
            out[first : first + length] += tone * shape * release
        return out

    def _pitch(self, degree: int) -> float:
        octave, place = divmod(degree, len(self._scale))
        return float(self._root * 2 ** (octave + self._scale[place] / 12))

    def _count(self, samples: int, seconds: float) -> int:
        return int(samples / (seconds * SAMPLE_RATE)) + 1

    def _uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand(1, generator=self._generator))

    def _chance(self, probability: float) -> bool:
        return self._uniform(0, 1) < probability

    def _pick(self, count: int) -> int:
        return int(torch.randint(count, (1,), generator=self._generator))
