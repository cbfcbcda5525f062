"""Write H.264 + AAC piece by piece; after any interruption the file can be played."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from torch import Tensor

from ..checks import check_finite, check_video_size
from ..errors import InputError, MediaError, OnWarning, warn
from ..geometry import FPS
from ..limits import CRF
from ..pictures import as_bytes
from .audio import AudioTrack, file_track
from .files import check_output, reason, temporary_beside, write_error
from .fragments import cut_to_whole, fragment_options, remux
from .partial import PartialFile, patiently, publish
from .playable import check_playable
from .sound import SoundStream
from .worker import Worker

_KEYFRAME_SECONDS = 2
_PRESET = "veryfast"  # half the time of "medium", 0.2 to 0.8 dB less, files of about the same size
_REPEATABLE = "asm=avx2"  # with AVX-512, x264 now and then made another file of equal frames
_MOST_THREADS = 8  # of x264: half of the cores, so that the model keeps the others
_WAITING = 128 << 20  # bytes: most pixels that wait for the encoder; a clip of 512 x 512
_BT709 = 1
_STOPS = tuple(getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n))


class VideoWriter:
    """Writes one MP4, frame by frame, as ``<stem>.partial.mp4`` in the target's folder.

    That file is a fragmented MP4: everything written can be played, even after a kill. ``close`` converts it
    to an ordinary MP4, in which players can seek, reads it back and gives it its final name. As a context
    manager it closes at the end, keeps the partial file after a KeyboardInterrupt, and removes it after any
    other error.

    One thread encodes frames and sound while the caller makes the next frames. If it fails, for example on a
    full disk, the next call raises its error. The partial file is removed, or with ``keep`` cut to its whole
    fragments, which can be played.

    Args:
        path: the target, ``*.mp4``.
        size: height and width, even.
        audio: a file, an ``AudioTrack`` or None. Its rate is kept if AAC allows it, mono or stereo. It is cut
            or padded with silence to exactly the length of the written frames.
        metadata: tags with any names.
        overwrite: replace an existing target. If false, a target that appears meanwhile is kept too.
        crf: constant rate factor of x264, within ``limits.CRF``; 0 is lossless.
        fps: frames per second.
        keep: keep the finished part if writing fails. The error names its file.
        on_warning: called with warnings about the file. Warnings about the sound go to the ``on_warning`` of
            the ``AudioTrack``, in the encoder's thread.

    Attributes:
        num_frames: frames passed to ``write`` so far; after a failure those in ``kept``.
        kept: path of the finished or partial file; None before, or if nothing was kept.

    Raises:
        MediaError: the target exists, cannot be written or is being written by another process; the disk is
            full; or ``audio`` cannot be read.
        InputError: the size or crf is impossible.
    """

    def __init__(  # noqa: PLR0913
        self,
        path: str | os.PathLike[str],
        size: tuple[int, int],
        audio: str | os.PathLike[str] | AudioTrack | None = None,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
        crf: int = 17,
        fps: int = FPS,
        keep: bool = False,
        on_warning: OnWarning = warn,
    ) -> None:
        self.fps = fps
        self.keep = keep
        self.on_warning = on_warning
        self.path = check_output(path, ".mp4", overwrite)
        self.size = check_video_size(size)
        if crf not in CRF:
            raise InputError(f"crf is {crf}; expected {CRF.least} (lossless) to {CRF.largest}")
        track = (
            audio if audio is None or isinstance(audio, AudioTrack) else file_track(audio, None, on_warning)
        )
        # Names of files may hold bytes that are no text: UTF-8 carries what it can.
        self.metadata = {
            name: value.encode("utf-8", "replace").decode("utf-8") for name, value in (metadata or {}).items()
        }
        self.overwrite = overwrite
        self.num_frames = 0
        self.kept: Path | None = None
        self._open = True
        self._encoder = Worker("READ encoder", _WAITING)
        self._converter = VideoReformatter()  # one for all frames: setting it up takes longer than a frame
        # With a name, PyAV does not report a full disk for the last fragments; with a file, it does.
        self._partial = PartialFile(self.path, on_warning)
        options = fragment_options(self.metadata)
        self._container = av.open(self._partial.file, "w", format="mp4", options=options)
        with self._ended_on_error():
            self._container.metadata.update(self.metadata)
            self._video = _video_stream(self._container, self.size, crf, fps)
            self._sound = None if track is None else SoundStream(self._container, track, fps)

    @property
    def partial(self) -> Path:
        """Path of the file while it is written: fragments that can be played."""
        return self._partial.path

    def write(self, frames: Tensor) -> None:
        """Append frames and their sound. They are in the file later, see :meth:`flush`.

        Waits if too many pixels are left to encode. Signals are delayed until the encoder has the frames, and
        an interrupt loses none of them.

        Args:
            frames: (F, H, W, 3) floating point, 0..1 (values outside are clamped), or bytes.

        Raises:
            InputError: wrong shape or type, or NaN.
            MediaError: the disk is full or the recording cannot be decoded, at this or an earlier call.
        """
        floats = frames.is_floating_point()
        if (
            frames.ndim != 4
            or frames.shape[1:] != (*self.size, 3)
            or not (floats or frames.dtype == torch.uint8)
        ):
            raise InputError(
                f"frames are {tuple(frames.shape)} {frames.dtype}; "
                f"expected (F, {self.size[0]}, {self.size[1]}, 3) floating point, 0..1, or bytes"
            )
        if floats:
            check_finite(frames)
        if not self._open:
            raise InputError(f"{self.path} is closed; no more frames can be written")
        with _deferred_stop(), self._ended_on_error():
            pixels, first = as_bytes(frames.detach()).cpu().numpy(), self.num_frames
            self._encoder.do(lambda: self._encode(pixels, first), pixels.nbytes)
            self.num_frames += len(pixels)

    def flush(self) -> None:
        """Wait until the frames are in the partial file, except those that x264 looks ahead at.

        Raises:
            MediaError: as :meth:`write`.
        """
        with _deferred_stop(), self._ended_on_error():
            self._encoder.wait()

    def close(self) -> Path:
        """Finish the file, read it back and give it its final name. Without frames, nothing is kept.

        Returns:
            The path of the file.

        Raises:
            MediaError: the disk is full, no frame was written, or a file with that name appeared meanwhile
                (the message says where this video is).
        """
        if self._open and not self.num_frames:
            self.abort()
            raise MediaError(f"{self.path}: no frame was written")
        if self._open:
            with _deferred_stop():
                self._end()
                self._publish()
        return self.path

    def abort(self, partial: bool = False) -> Path | None:
        """Stop writing: keep the partial file if ``partial``, else remove it.

        Returns:
            The path of the partial file, or None when nothing was kept.

        Raises:
            MediaError: the frames that wait cannot be written. What could be written is kept.
        """
        if not self._open:
            return None
        if partial and self.num_frames:
            self.keep = True
            with _deferred_stop():
                self._end()
                self._keep(self._defragmented())
            return self.kept
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

    def _encode(self, pixels: np.ndarray[Any, Any], first: int) -> None:
        """Encode pixels (F, H, W, 3) and their sound, from frame ``first`` on; in the encoder's thread."""
        for number, picture in enumerate(pixels, first):
            self._encode_frame(picture, number)
        self._partial.file.flush()

    def _encode_frame(self, pixels: np.ndarray[Any, Any], number: int) -> None:
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame = self._converter.reformat(
            frame, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = number, Fraction(1, self.fps)
        self._container.mux(self._video.encode(frame))
        if self._sound is not None:
            self._sound.write_until(number + 1)

    def _end(self) -> None:
        """End the streams of the partial file, and the encoder's thread."""
        with self._ended_on_error():
            self._encoder.wait()
            self._end_streams()
            self._open = False
        self._encoder.end()

    def _end_streams(self) -> None:
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.finish()
        self._container.close()
        self._partial.file.flush()

    def _publish(self) -> None:
        """Give the finished video its final name, and remove the partial file."""
        whole = self._defragmented()
        try:
            publish(whole or self._partial.path, self.path, self.overwrite)
        except FileExistsError as error:
            self._keep(whole)
            raise MediaError(
                f"{self.path} was written by another process meanwhile and is not changed; this complete "
                f"video is {self.kept}"
            ) from error
        except OSError as error:
            self._keep(None)
            raise write_error(self.path, error, kept=self.kept) from error
        finally:
            if whole is not None:
                whole.unlink(missing_ok=True)
        self._partial.remove()
        self.kept = self.path

    def _keep(self, whole: Path | None) -> None:
        self._partial.close()
        if whole is not None:
            patiently(partial(whole.replace, self._partial.path))
        self.kept = self._partial.path

    def _defragmented(self) -> Path | None:
        """Convert the fragments to an ordinary MP4 with a temporary name; None: keep the fragments.

        Raises:
            MediaError: neither file can be read back.
        """
        whole = temporary_beside(self.path)
        try:
            remux(self._partial.path, whole, self.metadata)
            check_playable(whole, self.num_frames, self._sound is not None, self.fps)
        except (av.error.FFmpegError, OSError, MediaError) as error:
            whole.unlink(missing_ok=True)
            self._check_fragments()
            self.on_warning(
                f"{self.path} stays in fragments ({reason(error)}): it can be played, but few players can "
                "seek in it"
            )
            return None
        return whole

    def _check_fragments(self) -> None:
        try:
            check_playable(self._partial.path, self.num_frames, self._sound is not None, self.fps)
        except MediaError as error:
            self._keep(None)
            raise MediaError(
                f"{self.kept} was written, but cannot be read back ({error}); PyAV is {av.__version__}: "
                "install one that requirements.txt allows"
            ) from error

    def _discard(self) -> None:
        self._open = False
        with _deferred_stop():
            self._encoder.end()
            self._let_go(self._container.close)
            self._partial.remove()

    def _keep_whole(self) -> None:
        """Keep the fragments that are whole after a failure; remove the file if none is."""
        self._open = False
        with _deferred_stop():
            self._encoder.end()
            self._let_go(self._end_streams, self._container.close)
            with _ignored_errors():
                self.num_frames = cut_to_whole(self._partial.path)
                self.kept = self._partial.path if self.num_frames else None
            if self.kept is None:
                self._partial.remove()

    def _let_go(self, *ends: Callable[[], None]) -> None:
        for end in (*ends, self._partial.close):
            with _ignored_errors():
                end()

    @contextmanager
    def _ended_on_error(self) -> Iterator[None]:
        """After an error, stop writing, and keep the finished part if that is wanted."""
        try:
            yield
        except BaseException as error:
            if self.keep and self.num_frames:
                self._keep_whole()
            else:
                self._discard()
            if isinstance(error, av.error.FFmpegError | OSError):
                raise write_error(self.path, error, self.kept) from error
            if isinstance(error, MediaError) and self.kept is not None:
                raise MediaError(f"{error}; the finished part is {self.kept}") from error
            raise


def _video_stream(container: Any, size: tuple[int, int], crf: int, fps: int) -> Any:
    options = {"crf": str(crf), "preset": _PRESET}
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        options["x264-params"] = _REPEATABLE
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    codec = stream.codec_context
    codec.thread_count = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // 2))
    codec.thread_type = "FRAME"  # by slices, files would be larger
    codec.time_base = Fraction(1, fps)
    codec.gop_size = _KEYFRAME_SECONDS * fps
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    codec.color_range = ColorRange.MPEG
    return stream


@contextmanager
def _ignored_errors() -> Iterator[None]:
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError):
        return


@contextmanager
def _deferred_stop() -> Iterator[None]:
    """Delay Ctrl-C until the block has ended, and SIGTERM and SIGHUP if the program handles them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    previous = {number: signal.getsignal(number) for number in _STOPS}
    handled = {number: handler for number, handler in previous.items() if callable(handler)}
    for number in handled:
        signal.signal(number, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])
