"""Read the frames of a video in order, 25 per second, by their timestamps."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..geometry import FPS
from .files import open_input, reason
from .square import SquarePixels

WHAT = "a video of a talking person"
_EARLY = 0.01  # seconds by which a frame may come after the moment that it is shown at
_BACK = 0.2  # seconds that are sought further back than needed
_LAST = 0.1  # seconds that the last frame is held for at most
_ATTACHED = av.stream.Disposition.attached_pic

Pixels = NDArray[np.uint8]


@dataclass
class Shown:
    """What a video shows at one moment.

    Attributes:
        index: of the moment, 25 per second, from the start of the file's clock.
        time: the decoded frame's own, in seconds; it is held from then on.
    """

    index: int
    time: float
    _frame: Any
    _square: SquarePixels

    @property
    def age(self) -> float:
        """Seconds that the frame has been held for."""
        return self.index / FPS - self.time

    def pixels(self) -> Pixels:
        """(height, width, 3) RGB, upright, with square pixels."""
        upright = np.rot90(self._square(self._frame), k=round(self._frame.rotation / 90))
        return np.ascontiguousarray(upright)

    def thumbnail(self, width: int, height: int) -> NDArray[np.float32]:
        """(height, width, 3), 0..1, as it is stored: quick, to compare frames with each other."""
        small: Pixels = self._frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        return small.astype(np.float32) / np.float32(255)


class FrameReader:
    """The frames of a video, 25 per second: each is held until the next one is due; nothing is blended.

    Sound and picture share the file's clock, so moment i belongs to the samples from 640 i of its sound.
    One decoded frame is held at a time.

    Args:
        path: the file.

    Attributes:
        declared: seconds that the file says the pictures last; None: it does not.
        exact: whether it says so of the pictures alone; else the sound may last longer.
        decoded: frames decoded so far.
        damaged: packets that could not be decoded.

    Raises:
        MediaError: no video, or no file that PyAV opens.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.decoded = self.damaged = 0
        with open_input(path, WHAT) as container:
            stream = _stream(container, path)
            self.exact = bool(stream.duration)
            whole = (container.duration or 0) / av.time_base
            declared = float(stream.duration * stream.time_base) if self.exact else whole
            self.declared = declared or None

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Shown]:
        """What is shown at moments [start, stop), as far as the video reaches.

        Raises:
            MediaError: it cannot be read on.
        """
        with open_input(self.path, WHAT) as container:
            stream = _stream(container, self.path)
            stream.thread_type = "AUTO"
            square = SquarePixels(stream.sample_aspect_ratio)
            origin = (container.start_time or 0) / av.time_base
            if start:
                container.seek(max(0, round((origin + start / FPS - _BACK) * av.time_base)))
            held: Shown | None = None
            index = start
            length = 1 / FPS
            for frame in self._frames(container, stream):
                if frame.time is None:
                    continue
                time = frame.time - origin
                if held is None:
                    index = max(index, math.ceil((time - _EARLY) * FPS))
                while held is not None and index / FPS + _EARLY < time:
                    if stop is not None and index >= stop:
                        return
                    yield Shown(index, held.time, held._frame, square)
                    index += 1
                length = min(_LAST, time - held.time) if held is not None and time > held.time else length
                held = Shown(index, time, frame, square)
            while held is not None and index / FPS + _EARLY < held.time + length:
                if stop is not None and index >= stop:
                    return
                yield Shown(index, held.time, held._frame, square)
                index += 1

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        try:
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    self.damaged += 1
                    continue
                self.decoded += len(frames)
                yield from frames
        except av.error.FFmpegError as error:
            raise MediaError(f"{self.path} cannot be read to its end ({reason(error)})") from error


def _stream(container: Any, path: str | os.PathLike[str]) -> Any:
    streams = [stream for stream in container.streams.video if not stream.disposition & _ATTACHED]
    if not streams:
        raise MediaError(f"{path} has no video stream ({container.format.long_name}); expected {WHAT}")
    return streams[0]
