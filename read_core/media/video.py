"""Writing H.264 + AAC, piece by piece, so that an interrupted file still plays."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from torch import Tensor

from ..checks import check_finite, check_video_size
from ..errors import InputError, MediaError
from ..geometry import FPS
from .audio import AudioTrack, Chunk, at_rate, file_track
from .files import check_output, partial_beside, temporary_beside, write_error

# What AAC in MP4 can carry and every player takes; other rates are resampled to the last.
_AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_FRAGMENTS = "frag_keyframe+delay_moov+default_base_moof"
_ANY_TAGS = "+use_metadata_tags"  # without it MP4 keeps known tags only
_KNOWN_TAGS = {"title", "comment"}
_KEYFRAME_SECONDS = 2
_BT709 = 1


class VideoWriter:
    """Writes one MP4, frame by frame, under a hidden name beside its target.

    While it is being written the file is a fragmented MP4, so whatever has arrived can be kept; ``close``
    turns it into an ordinary one that players can seek in and renames it into place. As a context manager it
    closes at the end, keeps ``<stem>.partial.mp4`` after a KeyboardInterrupt (replacing an older one) and
    leaves nothing behind after any other error.

    Args:
        path: the target, ``*.mp4``.
        size: height and width, even.
        audio: a file, an ``AudioTrack`` or None. Its rate is kept where AAC allows, mono or stereo; it is
            cut, or padded with silence, to exactly the length of the frames written.
        metadata: tags of any name.
        overwrite: replace an existing target.
        crf: constant rate factor of x264, 0 (lossless) to 51.
        fps: frames per second.

    Attributes:
        num_frames: frames written so far.
        kept: where the finished or partial file is; None before, or when nothing was kept.

    Raises:
        MediaError: the target exists or cannot be written, the disk is full, or ``audio`` cannot be read.
        InputError: an impossible size or crf.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: tuple[int, int],
        audio: str | os.PathLike[str] | AudioTrack | None = None,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
        crf: int = 17,
        fps: int = FPS,
    ) -> None:
        self.fps = fps
        self.path = check_output(path, ".mp4", overwrite)
        self.partial_path = partial_beside(self.path)
        self.size = check_video_size(size)
        if not 0 <= crf <= 51:
            raise InputError(f"crf is {crf}; expected 0 (lossless) to 51")
        track = audio if audio is None or isinstance(audio, AudioTrack) else file_track(audio)
        self.metadata = dict(metadata or {})
        self.num_frames = 0
        self.kept: Path | None = None
        self._temporary = temporary_beside(self.path)
        self._open = True
        try:
            # Given a name, PyAV does not tell when the last fragments find no room; given a file, it does.
            self._file = self._temporary.open("wb")
        except OSError as error:
            raise write_error(self.path, error) from error
        options = _options(_FRAGMENTS, self.metadata)
        self._container = av.open(self._file, "w", format="mp4", options=options)
        with self._removed_on_error():
            self._container.metadata.update(self.metadata)
            self._video = _video_stream(self._container, self.size, crf, fps)
            self._sound = None if track is None else _Sound(self._container, track, fps)

    def write(self, frames: Tensor) -> None:
        """Append frames and the sound that goes with them; Ctrl-C waits until they are in the file.

        Args:
            frames: (F, H, W, 3) floating point, 0..1 (values outside are clamped).

        Raises:
            InputError: another shape or type, or NaN.
            MediaError: the disk is full or the recording cannot be decoded.
        """
        if frames.ndim != 4 or frames.shape[1:] != (*self.size, 3) or not frames.is_floating_point():
            raise InputError(
                f"frames are {tuple(frames.shape)} {frames.dtype}; "
                f"expected (F, {self.size[0]}, {self.size[1]}, 3) floating point, 0..1"
            )
        check_finite(frames)
        if not self._open:
            raise InputError(f"{self.path} is closed; no more frames can be written")
        with _deferred_interrupt(), self._removed_on_error():
            for frame in frames.detach():  # one at a time: a clip of large frames is not held twice
                pixels = frame.float().clamp(0, 1).mul(255).round().byte().cpu().numpy()
                self._write_frame(pixels)

    def close(self) -> Path:
        """Finish the file and rename it to its target. Without a single frame nothing is kept.

        Returns:
            The path of the file.

        Raises:
            MediaError: the disk is full, or no frame was written.
        """
        if self._open and not self.num_frames:
            self.abort()
            raise MediaError(f"{self.path}: no frame was written")
        return self._finish(self.path)

    def abort(self, partial: bool = False) -> Path | None:
        """Give up: keep what was written as ``<stem>.partial.mp4`` if ``partial``, else remove it.

        Returns:
            The path of the partial file, or None when nothing was kept.
        """
        if not self._open:
            return None
        if partial and self.num_frames:
            return self._finish(self.partial_path)
        self._discard()
        return None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            if self._open:
                self.close()
        else:
            self.abort(partial=issubclass(kind, KeyboardInterrupt))

    def _write_frame(self, pixels: np.ndarray[Any, Any]) -> None:
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = self.num_frames, Fraction(1, self.fps)
        self._container.mux(self._video.encode(frame))
        self.num_frames += 1
        if self._sound is not None:
            self._sound.write_until(self.num_frames)

    def _finish(self, target: Path) -> Path:
        """Flush the encoders, make an ordinary MP4 of the fragments and rename it to ``target``."""
        if not self._open:
            return target
        with _deferred_interrupt(), self._removed_on_error():
            self._container.mux(self._video.encode(None))
            if self._sound is not None:
                self._sound.finish()
            self._container.close()
            self._file.close()
            self._open = False
            ordinary = temporary_beside(self.path, "mux")
            try:
                _remux(self._temporary, ordinary, self.metadata)
                ordinary.replace(target)
            except (av.error.FFmpegError, OSError):
                # No room for a second copy: the fragments play as well.
                self._temporary.replace(target)
            finally:
                ordinary.unlink(missing_ok=True)
                self._temporary.unlink(missing_ok=True)
            self.kept = target
        return target

    def _discard(self) -> None:
        self._open = False
        for opened in (self._container, self._file):
            with _ignored_errors():
                opened.close()
        self._temporary.unlink(missing_ok=True)

    @contextmanager
    def _removed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._discard()
            if isinstance(error, av.error.FFmpegError | OSError):
                raise write_error(self.path, error) from error
            raise


class _Sound:
    """The audio stream of a file being written: keeps up with the frames, to the sample."""

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
        """Write sound up to the end of frame ``num_frames``; silence once the recording has ended."""
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
        self.container.mux(self.stream.encode(None))


def _video_stream(container: Any, size: tuple[int, int], crf: int, fps: int) -> Any:
    stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "medium"})
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    codec = stream.codec_context
    codec.time_base = Fraction(1, fps)
    codec.gop_size = _KEYFRAME_SECONDS * fps
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    codec.color_range = ColorRange.MPEG
    return stream


def _options(movflags: str, metadata: Mapping[str, str]) -> dict[str, str]:
    return {"movflags": movflags + (_ANY_TAGS if set(metadata) - _KNOWN_TAGS else "")}


def _remux(source: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Copy the streams of a fragmented MP4 into an ordinary one, its index in front, without re-encoding."""
    with (
        av.open(f"file:{source}") as old,
        av.open(f"file:{target}", "w", format="mp4", options=_options("faststart", metadata)) as new,
    ):
        new.metadata.update(metadata)
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


@contextmanager
def _ignored_errors() -> Iterator[None]:
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError):
        return


@contextmanager
def _deferred_interrupt() -> Iterator[None]:
    """Hold back Ctrl-C until the block has ended, so that a packet is never lost half way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous if previous is not None else signal.SIG_DFL)
    if caught:
        signal.raise_signal(signal.SIGINT)
