"""Decode one audio track of a file as float32, in sync with the file's timestamps."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError, OnWarning, warn
from .files import open_input, reason

WHAT = "a recording: any audio file, or a video with sound"
GAP = 0.08  # seconds without packets that count as silence; shorter gaps come from rounding
_STEP = 0.01  # smallest delay of a packet after a gap; repeated smaller ones are clock drift
_LONGEST_GAP = 600.0  # seconds; a larger gap is a wrong timestamp
_CUT_SHORT = 0.25  # seconds that a recording may be shorter than its header says
_DECLARING = {
    "wav",
    "w64",
    "flac",
    "aiff",
    "caf",
    "mov",
    "mp4",
    "ogg",
}  # formats whose headers do not only estimate the length
_UNPLACED = re.compile(r"\d+ channels|ambisonic")  # layouts without channel positions
_DEFAULT = av.stream.Disposition.default

Chunk = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """One audio track of a file.

    Attributes:
        path: the file.
        index: index of the stream in the file.
        rate: sample rate in Hz.
        channels: 1 or 2, the number of channels after mixing.
        is_float: whether samples may be outside -1..1.
    """

    path: Path
    index: int
    rate: int
    channels: int
    is_float: bool


def find_source(
    path: str | os.PathLike[str], number: int | None = None, on_warning: OnWarning = warn
) -> Source:
    """Choose an audio track: number ``number``, or else the one flagged as default, or else the first.

    Warns if it had to choose among several.

    Raises:
        MediaError: the file or track does not exist, or its codec is unknown.
    """
    with open_input(path, WHAT) as container:
        streams = container.streams.audio
        if not streams:
            raise MediaError(f"{path} has no audio stream ({container.format.long_name}); expected {WHAT}")
        if number is not None and not 1 <= number <= len(streams):
            tracks = "1 audio track" if len(streams) == 1 else f"{len(streams)} audio tracks"
            raise MediaError(f"{path} has {tracks}; there is no track {number}")
        flagged = (i for i, stream in enumerate(streams, 1) if stream.disposition & _DEFAULT)
        chosen = next(flagged, 1) if number is None else number
        stream = streams[chosen - 1]
        if stream.codec_context is None or stream.channels == 0:
            raise MediaError(f"{path} has an audio stream of an unknown kind; expected {WHAT}")
        if number is None and len(streams) > 1:
            words = ", ".join(filter(None, map(stream.metadata.get, ("language", "title"))))
            named = f"{chosen} ({words})" if words else f"{chosen}"
            on_warning(f"{path} has {len(streams)} audio tracks; track {named} is used")
        channels = 1 if _is_unplaced(stream.layout) else min(2, stream.channels)
        is_float = stream.format.name.startswith(("flt", "dbl"))
        return Source(Path(path), stream.index, stream.rate, channels, is_float)


def decode(source: Source, on_warning: OnWarning = warn) -> Iterator[Chunk]:
    """Decode a track as finite (channels, n) at one rate, even if the stream changes its rate.

    Time without packets becomes silence, and so do damaged packets if the timestamps show their place. At the
    end, it warns of everything that differs from the recording.
    """
    path = source.path
    output = _Output(source)
    good = bad = 0
    with open_input(path, WHAT) as container:
        stream = container.streams[source.index]
        start = None if container.start_time is None else container.start_time / av.time_base
        output.clock.origin = start
        for packet in _packets(container, stream, path):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                bad += 1
                continue
            for frame in frames:
                good += 1
                yield from output.take(frame)
        yield from output.drained()
        declared = _declared_seconds(container, stream)
    if bad > good:
        raise MediaError(
            f"{path} cannot be decoded: {bad} of {bad + good} packets are damaged; expected {WHAT}"
        )
    remarks = _remarks(bad, output, declared)
    if remarks:
        on_warning(f"{path}: {'; '.join(remarks)}")


class _Clock:
    """Compares the place of the next sample by timestamps with its place in the output."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.origin: float | None = None
        self.written = 0  # samples
        self.late = 0.0  # seconds by which the last frame was late

    def missing(self, time: float | None) -> int:
        """Number of silent samples to insert before a frame with this time."""
        if time is None:
            return 0
        if self.origin is None:
            self.origin = time - self.written / self.rate
        late = time - self.origin - self.written / self.rate
        step, self.late = late - self.late, late
        if late < -GAP or late > _LONGEST_GAP:  # timestamps start again or jump: continue from here
            self.origin += late
            self.late = 0.0
            return 0
        if late <= GAP or (step < _STEP and self.written):
            return 0
        self.late = 0.0
        return round(late * self.rate)


class _Output:
    """Converts frames to one rate and number of channels, and fills missing time with silence."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.clock = _Clock(source.rate)
        self.filled = 0  # samples
        self.layout = "mono" if source.channels == 1 else "stereo"
        self.resampler: Any = None
        self.form: tuple[str, str, int] | None = None

    def take(self, frame: Any) -> Iterator[Chunk]:
        missing = self.clock.missing(frame.time)
        if missing:
            yield from self.drained()
            yield from self._silence(missing)
        frame = _placed(frame)
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self.form or self.resampler is None:
            yield from self.drained()
            self.resampler = av.AudioResampler(format="fltp", layout=self.layout, rate=self.source.rate)
            self.form = form
        frame.pts = None
        # Use the frame's sample count: samples still in the resampler are not late.
        self.clock.written += round(frame.samples * self.source.rate / frame.sample_rate)
        for out in self.resampler.resample(frame):
            yield _finite(out.to_ndarray(), self.source.path)

    def drained(self) -> Iterator[Chunk]:
        if self.resampler is not None:
            for out in self.resampler.resample(None):
                yield _finite(out.to_ndarray(), self.source.path)
        self.resampler = None

    def _silence(self, count: int) -> Iterator[Chunk]:
        self.filled += count
        self.clock.written += count
        for first in range(0, count, self.source.rate):
            yield np.zeros((self.source.channels, min(self.source.rate, count - first)), np.float32)


def _placed(frame: Any) -> Any:
    """A frame that the resampler can mix: without a channel layout, the mean of the channels."""
    if not _is_unplaced(frame.layout):
        return frame
    values = frame.to_ndarray()
    if values.dtype == np.uint8:
        values = (values.astype(np.float32) - 128) / 128
    elif not np.issubdtype(values.dtype, np.floating):
        values = values / -float(np.iinfo(values.dtype).min)
    channels = len(frame.layout.channels)
    mean = values.reshape(channels, -1) if frame.format.is_planar else values.reshape(-1, channels).T
    mixed = av.AudioFrame.from_ndarray(mean.mean(0, keepdims=True, dtype=np.float32), "fltp", "mono")
    mixed.sample_rate = frame.sample_rate
    return mixed


def _is_unplaced(layout: Any) -> bool:
    return len(layout.channels) > 2 and _UNPLACED.match(layout.name) is not None


def _packets(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError as error:
        raise MediaError(f"{path} cannot be read to its end ({reason(error)}); expected {WHAT}") from error


def _declared_seconds(container: Any, stream: Any) -> float | None:
    """Length of the track by its header; None if the header has none or only an estimate."""
    if stream.duration is None or not _DECLARING & set(container.format.name.split(",")):
        return None
    return float(stream.duration * stream.time_base)


def _remarks(bad: int, output: _Output, declared: float | None) -> list[str]:
    """Remarks on everything that differs from the recording."""
    decoded = output.clock.written / output.source.rate
    remarks = [f"{bad} damaged audio packets were left out"] if bad else []
    if output.filled:
        remarks.append(f"{output.filled / output.source.rate:.2f} s without sound packets became silence")
    if declared is not None and declared - decoded > _CUT_SHORT:
        remarks.append(f"only {decoded:.2f} s of the declared {declared:.2f} s could be decoded")
    return remarks


def _finite(piece: Chunk, path: Path) -> Chunk:
    if not np.isfinite(piece).all():
        raise MediaError(f"{path} contains NaN or infinite samples; expected finite audio")
    return piece
