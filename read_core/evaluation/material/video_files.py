"""Videos in a folder, generated or real: their frames at 25 per second and their sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import MediaError, ignore
from ...footage.sources import find_sources
from ...media.audio import read_audio
from ...media.frames import FrameReader

if TYPE_CHECKING:
    from torch import Tensor


def find_videos(folder: Path) -> dict[str, Path]:
    """The videos of a folder and its subfolders by their names below it, without the suffix.

    Raises:
        MediaError: there is none, or two differ in their suffix only.
    """
    found: dict[str, Path] = {}
    for source in find_sources(folder, "plain"):
        name = Path(source.name).with_suffix("").as_posix()
        if name in found:
            raise MediaError(
                f"{found[name]} and {source.path} have the same name; videos are compared "
                "by name, so rename one"
            )
        found[name] = source.path
    return found


def read_frames(path: Path) -> Iterator[Tensor]:
    """The frames of a video, 25 per second, (H, W, 3) uint8 each.

    Raises:
        MediaError: it cannot be read, or holds no frames.
    """
    shown = None
    for shown in FrameReader(path).read():
        yield torch.from_numpy(shown.pixels())
    if shown is None:
        raise MediaError(f"{path} holds no frames that can be decoded; download or export it again")


def read_groups(path: Path, size: int, whole: bool = False) -> Iterator[Tensor]:
    """The frames of a video in groups of ``size``, (n, H, W, 3) uint8 each.

    Args:
        path: of the video.
        size: frames of a group.
        whole: leave out the last group if it has fewer.

    Raises:
        MediaError: as :func:`read_frames`.
    """
    group: list[Tensor] = []
    for frame in read_frames(path):
        group.append(frame)
        if len(group) == size:
            yield torch.stack(group)
            group = []
    if group and not whole:
        yield torch.stack(group)


def read_sound(path: Path) -> NDArray[np.int16]:
    """The sound of a video: (n,) 16 bits, 16 kHz, mono.

    Raises:
        MediaError: it has none, or it cannot be decoded.
    """
    waveform = read_audio(path, on_warning=ignore).numpy()
    return np.asarray((waveform * 32768).round().clip(-32768, 32767).astype(np.int16))
