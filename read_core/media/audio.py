"""Recordings: decoding any audio, and one resampler for files and for waveforms in memory."""

from __future__ import annotations

import os
import warnings
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError, MediaError, ReadWarning
from ..geometry import SAMPLE_RATE
from .files import open_input, reason

MIN_RATE = 1_000
MAX_RATE = 768_000
SILENCE = 1e-4  # peak amplitude, -80 dB
_WHAT = "a recording: any audio file, or a video with sound"
_BLOCK = 1 << 16

Chunk = NDArray[np.float32]


@dataclass(frozen=True)
class AudioTrack:
    """Sound that can be read from its beginning, as often as wanted, without being held in memory.

    Attributes:
        sample_rate: in Hz.
        channels: 1 or 2.
        name: the file's name, or "the waveform", for messages.
        chunks: starts reading; yields (channels, n) float32 pieces.
    """

    sample_rate: int
    channels: int
    name: str
    chunks: Callable[[], Iterator[Chunk]]


def file_track(path: str | os.PathLike[str]) -> AudioTrack:
    """The first audio stream of a file, at its own rate; more than two channels are mixed to stereo.

    Raises:
        MediaError: no such file, no audio stream, an unknown codec.
    """
    with open_input(path, _WHAT) as container:
        stream = _audio_stream(container, path)
        rate, channels = stream.rate, min(2, stream.channels)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise MediaError(f"{path} has a sample rate of {rate} Hz; expected {MIN_RATE} to {MAX_RATE}")
    return AudioTrack(rate, channels, str(path), lambda: _decode(Path(path), rate, channels))


def waveform_track(waveform: Tensor, sample_rate: int) -> AudioTrack:
    """A waveform in memory, (channels, samples) or (samples,); more than two channels are mixed to one.

    Raises:
        InputError: a wrong shape or type, no samples, NaN or infinity, or a rate out of range.
    """
    waveform = check_waveform(waveform, sample_rate)
    if waveform.shape[0] > 2:
        waveform = waveform.mean(0, keepdim=True)

    def chunks() -> Iterator[Chunk]:
        for block in torch.split(waveform, _BLOCK, dim=1):
            yield block.numpy()

    return AudioTrack(sample_rate, waveform.shape[0], "the waveform", chunks)


def read_audio(path: str | os.PathLike[str], sample_rate: int = SAMPLE_RATE) -> Tensor:
    """Read the sound of an audio or video file as one channel (the mean of left and right).

    Decoded piece by piece: the memory needed is the result's. Silent audio is a ReadWarning.

    Returns:
        (samples,) float32 with ceil(seconds * sample_rate) samples, nominally -1..1.

    Raises:
        MediaError: no such file, no audio stream, undecodable, zero-length, or with NaN or infinite samples.
    """
    track = file_track(path)
    waveform = _mono(track.chunks(), track.sample_rate, sample_rate)
    if waveform.numel() == 0:
        raise MediaError(f"{path} has an audio stream without any samples; expected {_WHAT}")
    _check_peak(waveform, track.name)
    return waveform


def resample(waveform: Tensor, sample_rate: int) -> Tensor:
    """A waveform of any rate -> 16 kHz mono, by the same road as ``read_audio``.

    Args:
        waveform: (channels, samples) or (samples,) floating point; channels are averaged.
        sample_rate: of ``waveform``, in Hz.

    Returns:
        (ceil(samples * 16000 / sample_rate),) float32 on the CPU.

    Raises:
        InputError: a wrong shape or type, no samples, NaN or infinity, or a rate out of range.
    """
    waveform = check_waveform(waveform, sample_rate)
    if sample_rate == SAMPLE_RATE:
        mono = waveform.mean(0) if len(waveform) > 1 else waveform[0]
    else:
        pieces = (block.numpy() for block in torch.split(waveform, _BLOCK, dim=1))
        mono = _mono(pieces, sample_rate, SAMPLE_RATE)
    _check_peak(mono, "the waveform")
    return mono


def check_waveform(waveform: Tensor, sample_rate: int) -> Tensor:
    """Return ``waveform`` as (channels, samples) float32 on the CPU, or raise InputError."""
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
    if not torch.stack(waveform.aminmax()).isfinite().all():  # a NaN is its own minimum
        bad = int((~waveform.isfinite()).sum())
        raise InputError(
            f"waveform has {bad} NaN or infinite samples; expected finite values, nominally -1..1"
        )
    return waveform


class Resampler:
    """Changes the rate of a stream of (channels, n) pieces; ``flush`` returns the last of them."""

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
        """What is left inside, as (channels, m)."""
        return like[:, :0] if self.same else self._joined(self.inner.resample(None), like)

    @staticmethod
    def _joined(frames: list[Any], like: Chunk) -> Chunk:
        return np.concatenate([frame.to_ndarray() for frame in frames], axis=1) if frames else like[:, :0]


def at_rate(pieces: Iterable[Chunk], source_rate: int, target_rate: int, channels: int) -> Iterator[Chunk]:
    """Resample a stream; ends with exactly ceil(n * target_rate / source_rate) samples."""
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
    """Pieces of (channels, n) -> (samples,), held once: the array grows in place."""
    mixed = (piece.mean(axis=0, keepdims=True) for piece in pieces)
    samples = array("f")
    for piece in at_rate(mixed, source_rate, target_rate, channels=1):
        samples.frombytes(np.ascontiguousarray(piece, np.float32).tobytes())
    return torch.frombuffer(samples, dtype=torch.float32) if len(samples) else torch.zeros(0)


def _check_peak(waveform: Tensor, name: str) -> None:
    low, high = waveform.aminmax()
    if max(-low.item(), high.item()) < SILENCE:
        warnings.warn(f"{name} is silent: the mouth will stay closed", ReadWarning, stacklevel=3)


def _audio_stream(container: Any, path: str | os.PathLike[str]) -> Any:
    if not container.streams.audio:
        raise MediaError(f"{path} has no audio stream ({container.format.long_name}); expected {_WHAT}")
    stream = container.streams.audio[0]
    if stream.codec_context is None or stream.channels == 0:
        raise MediaError(f"{path} has an audio stream of an unknown kind; expected {_WHAT}")
    return stream


def _decode(path: Path, rate: int, channels: int) -> Iterator[Chunk]:
    """Decode the first audio stream as finite float32 (channels, n), at one rate whatever the stream does."""
    layout = "mono" if channels == 1 else "stereo"
    resampler: Any = None
    form = None
    good = bad = 0
    with open_input(path, _WHAT) as container:
        stream = _audio_stream(container, path)
        for packet in _packets(container, stream, path):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                bad += 1
                continue
            for frame in frames:
                good += 1
                if form != (frame.format.name, frame.layout.name, frame.sample_rate):
                    yield from _drained(resampler, path)
                    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
                    form = (frame.format.name, frame.layout.name, frame.sample_rate)
                frame.pts = None
                for out in resampler.resample(frame):
                    yield _finite(out.to_ndarray(), path)
        yield from _drained(resampler, path)
    if bad > good:
        raise MediaError(
            f"{path} cannot be decoded: {bad} of {bad + good} packets are damaged; expected {_WHAT}"
        )
    if bad:
        warnings.warn(f"{path}: {bad} damaged audio packets were left out", ReadWarning, stacklevel=2)


def _packets(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError as error:
        raise MediaError(f"{path} cannot be read to its end ({reason(error)}); expected {_WHAT}") from error


def _drained(resampler: Any, path: Path) -> Iterator[Chunk]:
    if resampler is not None:
        for out in resampler.resample(None):
            yield _finite(out.to_ndarray(), path)


def _finite(piece: Chunk, path: Path) -> Chunk:
    if not np.isfinite(piece).all():
        raise MediaError(f"{path} contains NaN or infinite samples; expected finite audio")
    return piece
