"""Augmentation of recordings: silences, rooms, microphones, telephones, noise, music, gain.

Only ``insert_silence`` and ``change_size`` move sounds in time. They work on Speech, so mouth tracks and
targets made from the result fit it. Everything else keeps length and timing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch.fft import irfft, rfft, rfftfreq

from ...geometry import SAMPLE_RATE
from .music import Band
from .synthesized import SILENCE, Segment, Speech, on_grid, to_corpus_rate

if TYPE_CHECKING:
    from torch import Generator, Tensor

_FADE_SECONDS = 0.005
_EQ_BANDS = 7
_LOWEST_HERTZ = 60.0
_PEAK = 0.99
_QUIET_POWER = 1e-12


def insert_silence(speech: Speech, index: int, seconds: float) -> Speech:
    """Put a silence of about ``seconds`` before segment ``index`` (its number of segments: after the last).

    The sound fades out and in over 5 ms on either side.
    """
    samples = round(seconds * SAMPLE_RATE)
    segments = speech.segments
    at = segments[index].start if index < len(segments) else speech.seconds
    split = min(round(at * SAMPLE_RATE), speech.waveform.shape[0])
    before, after = speech.waveform[:split].clone(), speech.waveform[split:].clone()
    fade = torch.linspace(1.0, 0.0, round(_FADE_SECONDS * SAMPLE_RATE))
    if (length := min(len(fade), before.shape[0])) > 0:
        before[-length:] *= fade[-length:]
    if (length := min(len(fade), after.shape[0])) > 0:
        after[:length] *= fade.flip(0)[:length]
    waveform = torch.cat([before, torch.zeros(samples), after])
    shift = samples / SAMPLE_RATE
    gap = Segment(SILENCE[speech.alphabet], at, at + shift)
    moved = [segment.shifted(shift) for segment in segments[index:]]
    return Speech(waveform, (*segments[:index], gap, *moved), speech.alphabet)


def change_size(speech: Speech, factor: float) -> Speech:
    """Play faster: pitch, formants and tempo rise by ``factor`` (to 1 / 160)."""
    rate = round(SAMPLE_RATE * factor / 100) * 100 if factor != 1 else SAMPLE_RATE
    if rate == SAMPLE_RATE:
        return speech
    waveform = to_corpus_rate(speech.waveform, rate)
    scale = SAMPLE_RATE / rate
    segments = [replace(s, start=s.start * scale, stop=s.stop * scale) for s in speech.segments]
    segments[-1] = replace(segments[-1], stop=waveform.shape[0] / SAMPLE_RATE)
    return Speech(waveform, tuple(segments), speech.alphabet)


def colored_noise(samples: int, slope: float, generator: Generator) -> Tensor:
    """Noise of unit power whose spectrum falls as f^-slope: -1 blue, 0 white, 1 pink, 2 brown. (samples,)."""
    size = _fft_size(samples)
    spectrum = rfft(torch.randn(size, generator=generator).double())
    frequency = rfftfreq(size, 1 / SAMPLE_RATE).clamp(min=_LOWEST_HERTZ)
    noise: Tensor = irfft(spectrum * frequency ** (-slope / 2), size)[:samples]
    power = noise.square().mean().clamp(min=_QUIET_POWER)
    return noise / power.sqrt()


def add_noise(waveform: Tensor, snr: float, slope: float, generator: Generator) -> Tensor:
    """Add colored noise ``snr`` dB below the power of ``waveform`` (samples,); to silence, see ``_mix``."""
    noise = colored_noise(waveform.shape[0], slope, generator)
    return _mix(waveform, noise, waveform.square().mean(), snr)


def add_music(waveform: Tensor, active: Tensor, snr: float, generator: Generator) -> Tensor:
    """Add music ``snr`` dB below the power of ``waveform`` (samples,) where ``active`` (samples,) is true."""
    voiced = waveform[active] if bool(active.any()) else waveform
    return _mix(waveform, Band(generator).play(waveform.shape[0]), voiced.square().mean(), snr)


def _mix(waveform: Tensor, background: Tensor, power: Tensor, snr: float) -> Tensor:
    """Add ``background`` of unit power ``snr`` dB below ``power``, or below 1 where that is silence."""
    power = power if power > _QUIET_POWER else torch.ones(())
    return waveform + background * (power * 10 ** (-snr / 10)).sqrt()


def reverberate(waveform: Tensor, decay: float, direct: float, generator: Generator) -> Tensor:
    """Put ``waveform`` (samples,) into a synthetic room.

    Args:
        waveform: the dry sound.
        decay: reverberation time (60 dB) in seconds.
        direct: direct-to-reverberant ratio in dB.
        generator: draws the room.
    """
    samples = waveform.shape[0]
    time = torch.arange(1, round(decay * SAMPLE_RATE) + 1) / SAMPLE_RATE
    tail = torch.randn(time.shape[0], generator=generator).double() * 10 ** (-3 * time / decay)
    tail = tail * 10 ** (-direct / 20) / tail.square().sum().sqrt()
    room = torch.cat([torch.ones(1), tail])
    size = _fft_size(samples + room.shape[0])
    wet: Tensor = irfft(rfft(waveform, size) * rfft(room, size), size)
    return wet[:samples]


def equalize(waveform: Tensor, gains: Tensor) -> Tensor:
    """Filter by gains in dB (bands,) at frequencies spaced evenly in octaves from 60 Hz to 8 kHz."""

    def curve(frequency: Tensor) -> Tensor:
        octaves = torch.log2(frequency.clamp(min=_LOWEST_HERTZ) / _LOWEST_HERTZ)
        place = octaves / torch.log2(torch.tensor(SAMPLE_RATE / 2 / _LOWEST_HERTZ)) * (gains.shape[0] - 1)
        left = place.floor().long().clamp(0, gains.shape[0] - 2)
        return torch.lerp(gains[left], gains[left + 1], (place - left).clamp(0, 1))

    frequency, spectrum, size = _spectrum(waveform)
    filtered: Tensor = irfft(spectrum * 10 ** (curve(frequency) / 20), size)
    return filtered[: waveform.shape[0]]


def band_limit(waveform: Tensor, low: float, high: float) -> Tensor:
    """Keep ``low`` to ``high`` hertz, like a telephone; the edges roll off over a third of an octave."""
    frequency, spectrum, size = _spectrum(waveform)
    octaves = torch.log2(frequency.clamp(min=1.0))
    rise = ((octaves - torch.log2(torch.tensor(low))) * 3 + 1).clamp(0, 1)
    fall = ((torch.log2(torch.tensor(high)) - octaves) * 3 + 1).clamp(0, 1)
    filtered: Tensor = irfft(spectrum * rise * fall, size)
    return filtered[: waveform.shape[0]]


def set_loudness(waveform: Tensor, active: Tensor, decibels: float) -> Tensor:
    """Scale to an RMS of ``decibels`` dBFS where ``active`` (samples,) bool is true; peaks stay below 1."""
    voiced = waveform[active] if bool(active.any()) else waveform
    power = voiced.square().mean().clamp(min=_QUIET_POWER)
    scaled = waveform * (10 ** (decibels / 20) / power.sqrt())
    return scaled * (_PEAK / scaled.abs().max().clamp(min=_PEAK))


def augment(waveform: Tensor, active: Tensor, generator: Generator, music: bool = False) -> Tensor:
    """A random recording of ``waveform`` (samples,): same length and timing.

    The result is float32, -1..1, rounded to 16-bit values. Loudness is -30 to -14 dBFS over the samples where
    ``active`` (samples,) bool is true, or over all if none is. Apart from that, about one in ten stays clean.
    With ``music``, three in ten have music in the background.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand(1, generator=generator))

    def chance(probability: float) -> bool:
        return uniform(0, 1) < probability

    waveform = waveform.double()
    if chance(0.4):
        waveform = reverberate(waveform, uniform(0.1, 0.7), uniform(0, 15), generator)
    if chance(0.5):
        waveform = equalize(waveform, 6 * torch.randn(_EQ_BANDS, generator=generator).clamp(-2, 2))
    if chance(0.6):
        waveform = add_noise(waveform, uniform(8, 40), uniform(-1, 2), generator)
    if music and chance(0.3):
        waveform = add_music(waveform, active, uniform(-3, 25), generator)
    if chance(0.15):
        waveform = band_limit(waveform, uniform(80, 350), uniform(3000, 6000))
    return on_grid(set_loudness(waveform, active, uniform(-30, -14)))


def _spectrum(waveform: Tensor) -> tuple[Tensor, Tensor, int]:
    size = _fft_size(waveform.shape[0])
    return rfftfreq(size, 1 / SAMPLE_RATE), rfft(waveform, size), size


def _fft_size(samples: int) -> int:
    """A power of two with room for the filter's tail, so that nothing wraps around."""
    return 1 << (samples + SAMPLE_RATE // 10).bit_length()
