"""Read a finished video back before success is reported."""

from __future__ import annotations

from pathlib import Path

import av

from ..errors import MediaError
from ..geometry import FPS
from .files import reason


def check_playable(path: Path, num_frames: int, with_sound: bool, fps: int = FPS) -> None:
    """Decode the first and the last frame of a video, and the beginning of its sound.

    Raises:
        MediaError: one of them cannot be decoded, or the last frame has a wrong time for ``num_frames``
            frames at ``fps``.
    """
    try:
        with av.open(f"file:{path}") as container:
            if with_sound:
                next(container.decode(audio=0))
                container.seek(0)
            stream = container.streams.video[0]
            first = last = next(container.decode(stream))
            container.seek(int((num_frames - 1) / fps / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                last = frame
    except (av.error.FFmpegError, OSError, StopIteration, IndexError) as error:
        raise MediaError(f"the written file cannot be decoded: {reason(error)}") from error
    found = round((last.time - first.time) * fps) + 1
    if found != num_frames:
        raise MediaError(f"the last frame has the time of frame {found}; expected that of frame {num_frames}")
