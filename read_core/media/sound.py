"""The audio stream of a written video."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np

from .audio import AudioTrack, at_rate
from .decode import Chunk

# Rates that AAC in MP4 supports and every player accepts; other rates are resampled to the last.
_AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class SoundStream:
    """AAC in step with the frames to the sample.

    Args:
        container: of PyAV, open for writing.
        track: the recording, mono or stereo.
        fps: frames per second.
    """

    def __init__(self, container: Any, track: AudioTrack, fps: int) -> None:
        self.container, self.fps = container, fps
        self.rate = track.sample_rate if track.sample_rate in _AAC_RATES else _AAC_RATES[-1]
        self.layout = "mono" if track.channels == 1 else "stereo"
        self.stream = container.add_stream("aac", rate=self.rate, layout=self.layout)
        self.stream.codec_context.bit_rate = track.channels * min(128_000, 5 * self.rate)
        self.chunks = at_rate(track.chunks(), track.sample_rate, self.rate, track.channels)
        self.rest: Chunk = np.zeros((track.channels, 0), np.float32)
        self.written = 0

    def write_until(self, num_frames: int) -> None:
        """Write sound up to the end of frame ``num_frames``; silence after the end of the recording."""
        wanted = num_frames * self.rate // self.fps - self.written
        while self.rest.shape[1] < wanted:
            chunk = next(self.chunks, None)
            if chunk is None:
                self.rest = np.pad(self.rest, ((0, 0), (0, wanted - self.rest.shape[1])))
                break
            self.rest = np.concatenate([self.rest, chunk], axis=1)
        piece, self.rest = self.rest[:, :wanted], self.rest[:, wanted:]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self.written, Fraction(1, self.rate)
        self.written += wanted
        self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self.container.mux(self.stream.encode(None))
