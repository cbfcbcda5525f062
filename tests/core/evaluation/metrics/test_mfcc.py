"""Coefficients of sound against python_speech_features, and the energy against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from read_core.evaluation.metrics.mfcc import mfcc


def sound(count, seed=0):
    generator = np.random.default_rng(seed)
    tone = np.sin(np.arange(count) / 16_000 * 2 * np.pi * 220) * 6000
    return (tone + generator.normal(0, 900, count)).astype(np.int16)


@pytest.mark.parametrize("count", [16_000, 16_001, 4_321, 400, 399, 100])
def test_they_are_those_of_python_speech_features(count):
    library = pytest.importorskip("python_speech_features")
    samples = sound(count)
    expected = library.mfcc(samples, 16_000)
    assert mfcc(samples).shape == expected.shape
    assert np.allclose(mfcc(samples), expected, rtol=1e-9, atol=1e-9)


def test_silence_is_finite_like_the_librarys():
    library = pytest.importorskip("python_speech_features")
    silence = np.zeros(1600, np.int16)
    assert np.allclose(mfcc(silence), library.mfcc(silence, 16_000), atol=1e-6)


def test_the_first_is_the_energy_of_the_emphasized_sound():
    """Parseval: the half spectrum holds all but the mirrored half, and counts its ends once."""
    samples = sound(400)
    emphasized = samples.astype(float) - 0.97 * np.append(0.0, samples[:-1])
    whole = np.fft.fft(emphasized, 512)
    half = (np.sum(emphasized**2) * 512 + abs(whole[0]) ** 2 + abs(whole[256]) ** 2) / 2 / 512
    assert mfcc(samples)[0, 0] == pytest.approx(np.log(half), rel=1e-9)
