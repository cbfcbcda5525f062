"""Mel-frequency cepstral coefficients as SyncNet was trained on them: those of python_speech_features."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...geometry import SAMPLE_RATE

Values = NDArray[np.float64]

COEFFICIENTS = 13
_WINDOW, _STEP, _FFT = 400, 160, 512  # samples: 25 ms, 10 ms
_FILTERS = 26
_EMPHASIS = 0.97
_LIFTER = 22
_TINY = np.finfo(float).eps


def mfcc(samples: NDArray[np.int16]) -> Values:
    """Coefficients of sound, 100 per second; the first is the logarithm of the energy.

    Args:
        samples: (n,) 16 bits, 16 kHz.

    Returns:
        (T, 13), T = 1 + ceil((n - 400) / 160), at least 1; the end is filled with zeros.
    """
    sound = samples.astype(np.float64)
    sound = np.append(sound[:1], sound[1:] - _EMPHASIS * sound[:-1])
    count = 1 + max(0, -(-(len(sound) - _WINDOW) // _STEP))
    sound = np.pad(sound, (0, max(0, (count - 1) * _STEP + _WINDOW - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_STEP][:count]
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2 / _FFT
    bands = np.log(_positive(power @ _filters().T))
    coefficients: Values = bands @ _cosines().T * _lifter()
    coefficients[:, 0] = np.log(_positive(power.sum(1)))
    return coefficients


def _positive(values: Values) -> Values:
    return np.asarray(np.where(values == 0, _TINY, values))


@lru_cache(maxsize=1)
def _filters() -> Values:
    """(26, 257) triangles, evenly spaced on the mel scale."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, _FILTERS + 2) / 2595) - 1)
    corners = np.floor((_FFT + 1) * hertz / SAMPLE_RATE)
    left, middle, right = (corners[i : i + _FILTERS, None] for i in range(3))
    places = np.arange(_FFT // 2 + 1)
    rising, falling = (places - left) / (middle - left), (right - places) / (right - middle)
    return np.asarray(np.where(places < middle, rising, falling).clip(min=0))


@lru_cache(maxsize=1)
def _cosines() -> Values:
    """(13, 26), the first rows of the orthonormal discrete cosine transform."""
    row, place = np.arange(COEFFICIENTS)[:, None], np.arange(_FILTERS) + 0.5
    scale = np.where(row == 0, np.sqrt(1 / _FILTERS), np.sqrt(2 / _FILTERS))
    return np.asarray(scale * np.cos(np.pi * row * place / _FILTERS))


@lru_cache(maxsize=1)
def _lifter() -> Values:
    """(13,) factors that raise the higher coefficients."""
    return np.asarray(1 + _LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / _LIFTER))
