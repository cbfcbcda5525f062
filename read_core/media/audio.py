"""Recordings from files and from waveforms in memory, read in the same way with the same resampler."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, MediaError, OnWarning, ignore, warn
from ..geometry import SAMPLE_RATE
from .decode import WHAT, Chunk, decode, find_source

MIN_RATE = 1_000
MAX_RATE = 768_000
SILENCE = 1e-4  # peak amplitude, -80 dB
MAX_PEAK = 4.0  # higher floating-point peaks mean another scale, not just loud sound
_BLOCK = 1 << 16


@dataclass(frozen=True)
class AudioTrack:
    """Re-readable, streamed audio source.

    Attributes:
        sample_rate: sample rate in Hz.
        channels: 1 or 2.
        name: file name or "the waveform", for messages.
        chunks: starts reading from the beginning; yields (channels, n) float32 pieces.
        on_warning: called with warnings about the sound, each time it is read.
    """

    sample_rate: int
    channels: int
    name: str
    chunks: Callable[[], Iterator[Chunk]]
    on_warning: OnWarning = warn


def file_track(
    path: str | os.PathLike[str], number: int | None = None, on_warning: OnWarning = warn
) -> AudioTrack:
    """An audio track of a file, at its sample rate.

    More than two channels are mixed to stereo, or to their mean if the file has no channel layout.
    Time without packets becomes silence. Floating-point samples with another scale (a peak above 4) are
    scaled to -1..1. Both give a warning.

    Args:
        path: any audio file, or a video with sound.
        number: number of the track, from 1; None: the track flagged as default, else the first.

    Raises:
        MediaError: the file or track does not exist, or the codec is unknown.
    """
    source = find_source(path, number, on_warning)
    if not MIN_RATE <= source.rate <= MAX_RATE:
        raise MediaError(f"{path} has a sample rate of {source.rate} Hz; expected {MIN_RATE} to {MAX_RATE}")
    gain = 1.0
    if source.is_float:
        pieces = decode(source, ignore)  # it warns again when the track is read
        peak = max((float(np.abs(chunk).max(initial=0)) for chunk in pieces), default=0.0)
        gain = _gain(peak, str(path), on_warning)

    def chunks() -> Iterator[Chunk]:
        for chunk in decode(source, on_warning):
            yield chunk if gain == 1 else chunk * np.float32(gain)

    return AudioTrack(source.rate, source.channels, str(path), chunks, on_warning)


def waveform_track(waveform: Tensor, sample_rate: int, on_warning: OnWarning = warn) -> AudioTrack:
    """A waveform, (channels, samples) or (samples,), as a track; more than two channels are mixed to one.

    Raises:
        InputError: a wrong shape or type, no samples, NaN or infinity, or a rate out of range.
    """
    waveform = check_waveform(waveform, sample_rate, on_warning)
    if waveform.shape[0] > 2:
        waveform = waveform.mean(0, keepdim=True)

    def chunks() -> Iterator[Chunk]:
        for block in torch.split(waveform, _BLOCK, dim=1):
            yield block.numpy()

    return AudioTrack(sample_rate, waveform.shape[0], "the waveform", chunks, on_warning)


def read_audio(
    path: str | os.PathLike[str],
    sample_rate: int = SAMPLE_RATE,
    number: int | None = None,
    on_warning: OnWarning = warn,
) -> Tensor:
    """Read the sound of an audio or video file as one channel: :func:`read_track` of :func:`file_track`."""
    return read_track(file_track(path, number, on_warning), sample_rate)


def read_track(track: AudioTrack, sample_rate: int = SAMPLE_RATE) -> Tensor:
    """Read a track as one channel (the mean of left and right).

    Decodes piece by piece, so it needs only the memory of the result. Warns of silent audio.

    Returns:
        (samples,) float32 with ceil(seconds * sample_rate) samples, nominally -1..1.

    Raises:
        MediaError: the track cannot be decoded, is empty, or contains NaN or infinite samples.
    """
    waveform = _mono(track.chunks(), track.sample_rate, sample_rate)
    if waveform.numel() == 0:
        raise MediaError(f"{track.name} has an audio stream without any samples; expected {WHAT}")
    _check_silence(waveform, track.name, track.on_warning)
    return waveform


def resample(
    waveform: Tensor, sample_rate: int, on_warning: OnWarning = warn, rescale: bool = True
) -> Tensor:
    """Convert a waveform of any rate to 16 kHz mono, in the same way as ``read_audio``.

    Args:
        waveform: (channels, samples) or (samples,) floating point; channels are averaged.
        sample_rate: of ``waveform``, in Hz.
        rescale: bring values that must be meant in another unit, as integers are, to -1..1.

    Returns:
        (ceil(samples * 16000 / sample_rate),) float32 on the CPU.

    Raises:
        InputError: a wrong shape or type, no samples, NaN or infinity, or a rate out of range.
    """
    waveform = check_waveform(waveform, sample_rate, on_warning, rescale)
    if sample_rate == SAMPLE_RATE:
        mono = waveform.mean(0) if len(waveform) > 1 else waveform[0]
    else:
        pieces = (block.numpy() for block in torch.split(waveform, _BLOCK, dim=1))
        mono = _mono(pieces, sample_rate, SAMPLE_RATE)
    _check_silence(mono, "the waveform", on_warning)
    return mono


def check_waveform(
    waveform: Tensor, sample_rate: int, on_warning: OnWarning = warn, rescale: bool = True
) -> Tensor:
    """Return ``waveform`` as (channels, samples) float32 on the CPU, or raise InputError.

    ``rescale`` is that of :func:`resample`.
    """
    if waveform.ndim not in {1, 2} or not waveform.is_floating_point():
        raise InputError(
            f"waveform is {tuple(waveform.shape)} {waveform.dtype}; "
            "expected (samples,) or (channels, samples) floating point"
        )
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise InputError(f"sample_rate is {sample_rate} Hz; expected {MIN_RATE} to {MAX_RATE}")
    if waveform.numel() == 0:
        raise InputError(f"waveform is {tuple(waveform.shape)}: it has no samples; expected a recording")
    waveform = waveform.detach().to("cpu", torch.float32)
    waveform = waveform[None] if waveform.ndim == 1 else waveform
    extremes = torch.stack(waveform.aminmax())
    if not extremes.isfinite().all():  # a NaN is its own minimum
        bad = int((~waveform.isfinite()).sum())
        raise InputError(
            f"waveform has {bad} NaN or infinite samples; expected finite values, nominally -1..1"
        )
    gain = _gain(float(extremes.abs().max()), "the waveform", on_warning) if rescale else 1
    return waveform if gain == 1 else waveform * gain


class Resampler:
    """Changes the rate of a stream of (channels, n) pieces; ``flush`` returns the rest."""

    def __init__(self, source_rate: int, target_rate: int, channels: int = 1) -> None:
        self.source_rate = source_rate
        self.layout = "mono" if channels == 1 else "stereo"
        self.inner = av.AudioResampler(format="fltp", layout=self.layout, rate=target_rate)
        self.same = source_rate == target_rate

    def __call__(self, piece: Chunk) -> Chunk:
        """(channels, n) -> (channels, m); m may be 0."""
        if self.same:
            return piece
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout=self.layout)
        frame.sample_rate = self.source_rate
        return self._joined(self.inner.resample(frame), piece)

    def flush(self, like: Chunk) -> Chunk:
        """The remaining samples, (channels, m)."""
        return like[:, :0] if self.same else self._joined(self.inner.resample(None), like)

    @staticmethod
    def _joined(frames: list[Any], like: Chunk) -> Chunk:
        return np.concatenate([frame.to_ndarray() for frame in frames], axis=1) if frames else like[:, :0]


def at_rate(pieces: Iterable[Chunk], source_rate: int, target_rate: int, channels: int) -> Iterator[Chunk]:
    """Resample a stream to exactly ceil(n * target_rate / source_rate) samples."""
    resampler = Resampler(source_rate, target_rate, channels)
    taken = given = 0
    for piece in pieces:
        taken += piece.shape[1]
        out = resampler(piece)[:, : -(-taken * target_rate // source_rate) - given]
        given += out.shape[1]
        yield out
    last = resampler.flush(np.zeros((channels, 0), np.float32))
    missing = -(-taken * target_rate // source_rate) - given
    last = last[:, :missing]
    yield np.pad(last, ((0, 0), (0, missing - last.shape[1])))


def _mono(pieces: Iterable[Chunk], source_rate: int, target_rate: int) -> Tensor:
    """Pieces of (channels, n) -> (samples,). The array grows in place, so samples are held once."""
    mixed = (piece.mean(axis=0, keepdims=True) for piece in pieces)
    samples = array("f")
    for piece in at_rate(mixed, source_rate, target_rate, channels=1):
        samples.frombytes(np.ascontiguousarray(piece, np.float32).tobytes())
    return torch.frombuffer(samples, dtype=torch.float32) if len(samples) else torch.zeros(0)


def _gain(peak: float, name: str, on_warning: OnWarning) -> float:
    """Factor that brings samples to -1..1: 1 or, with a warning, one over the peak."""
    if peak <= MAX_PEAK:
        return 1.0
    on_warning(f"{name} has samples up to {peak:.3g}; expected -1 to 1, so it was divided by {peak:.3g}")
    return 1 / peak


def _check_silence(waveform: Tensor, name: str, on_warning: OnWarning) -> None:
    low, high = waveform.aminmax()
    if max(-low.item(), high.item()) < SILENCE:
        on_warning(f"{name} is silent: the mouth will stay closed")
