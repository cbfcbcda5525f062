"""Phonemes of a recording whose text is known.

A synthesizer speaks the text, and dynamic time warping (Sakoe and Chiba, 1978) finds which moment of that
speech each moment of the recording is. No network takes part, so the times are independent of every model
that is measured with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchaudio

from ...geometry import SAMPLE_RATE
from .synthesis import open_synthesizer
from .synthesized import Segment, Voice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

ESPEAK_VARIANTS = ("", "+m1", "+m2", "+m3", "+m4", "+f1", "+f2")
_HOP = 160  # samples: features at 100 Hz
_COEFFICIENTS = 13
_STRETCH = 1.5  # cost of a step that holds one of both, by that of half a step of both
_FLOOR = 1e-4  # noise, by the loudest sample: digital silence has no spectrum


@dataclass(frozen=True)
class Alignment:
    """Phonemes in a recording.

    Attributes:
        segments: phonemes and pauses in order, in the recording's seconds.
        alphabet: of their mnemonics.
        cost: mean distance of the recording and the synthesizer's speech along the path; less is better.
    """

    segments: tuple[Segment, ...]
    alphabet: str
    cost: float


def espeak_voices(language: str) -> tuple[Voice, ...]:
    """Voices of espeak-ng, of both sexes, for a language such as "en-us"."""
    return tuple(Voice("espeak", language + variant) for variant in ESPEAK_VARIANTS)


def align_text(waveform: Tensor, text: str, voices: Sequence[Voice]) -> Alignment:
    """Find the phonemes of a text in its recording, with the voice whose speech comes closest.

    Args:
        waveform: (samples,) -1..1 at 16 kHz, about a minute at most: memory grows with its square.
        text: what is said in it, from its begin to its end.
        voices: to speak the text with; one or more.

    Raises:
        SynthesizerError: a voice is not installed.
    """
    recording = _features(waveform)
    found = []
    for voice in voices:
        with open_synthesizer(voice) as say:
            speech = say(text)
        spoken = _features(speech.waveform)
        path, cost = warping_path(torch.cdist(recording, spoken).double().numpy())
        times = _times(path) * _HOP / SAMPLE_RATE
        segments = tuple(_moved(segment, times) for segment in speech.segments)
        found.append(Alignment(segments, speech.alphabet, cost))
    return min(found, key=lambda one: one.cost)


def warping_path(distances: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
    """The path of least cost from the first to the last cell of (N, M) distances.

    A step forward in both directions costs twice the new cell's distance, a step in one direction 1.5 times.

    Returns:
        Cells (P, 2) in order, and their cost divided by N + M.
    """
    rows, columns = distances.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        total[i, j] = _steps(total, distances, i, j).min(axis=0)
    i, j, path = rows, columns, []
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        down, across = ((1, 1), (1, 0), (0, 1))[int(_steps(total, distances, i, j).argmin())]
        i, j = i - down, j - across
    return np.array(path[::-1]), float(total[rows, columns]) / (rows + columns)


def _steps(total: NDArray[np.float64], distances: NDArray[np.float64], i: Any, j: Any) -> NDArray[np.float64]:
    """Cost of reaching a cell by a step of both, of the first and of the second; (3, ...)."""
    cell = distances[i - 1, j - 1]
    return np.stack(
        [
            total[i - 1, j - 1] + 2 * cell,
            total[i - 1, j] + _STRETCH * cell,
            total[i, j - 1] + _STRETCH * cell,
        ]
    )


def _features(waveform: Tensor) -> Tensor:
    """(frames, 26): cepstra and their change at 100 Hz, all with mean 0 and deviation 1."""
    noise = torch.randn(waveform.shape, generator=torch.Generator().manual_seed(0))
    loudest = waveform.abs().max().clamp(min=_FLOOR)
    spectrum = {"n_fft": 400, "hop_length": _HOP, "n_mels": 40, "f_min": 60.0, "f_max": 7600.0}
    cepstra = torchaudio.transforms.MFCC(SAMPLE_RATE, _COEFFICIENTS, melkwargs=spectrum)
    found = cepstra((waveform / loudest + _FLOOR * noise)[None])[0]
    change = torchaudio.functional.compute_deltas(found[None], win_length=9)[0]
    both: Tensor = torch.cat([_normal(found), _normal(change)]) / (2 * _COEFFICIENTS) ** 0.5
    return both.T


def _normal(values: Tensor) -> Tensor:
    return (values - values.mean(1, keepdim=True)) / values.std(1, keepdim=True).clamp(min=1e-6)


def _times(path: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each column of a path the mean of its rows."""
    counts = np.bincount(path[:, 1])
    mean: NDArray[np.float64] = np.bincount(path[:, 1], weights=path[:, 0]) / counts
    return mean


def _moved(segment: Segment, times: NDArray[np.float64]) -> Segment:
    """A phoneme of the synthesizer's speech at its place in the recording."""
    frames = np.array([segment.start, segment.stop]) * SAMPLE_RATE / _HOP
    start, stop = np.interp(frames, np.arange(len(times)), times)
    return Segment(segment.phoneme, float(start), float(stop))
