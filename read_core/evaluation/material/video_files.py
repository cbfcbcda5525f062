"""Videos in a folder, generated or real: their frames at 25 per second and their sound."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import InputError, MediaError, ignore
from ...footage.manifest import manifest_of
from ...footage.sources import find_sources
from ...geometry import FPS
from ...media.audio import read_audio
from ...media.files import open_input
from ...media.frames import WHAT, FrameReader

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT = "validation"
_WINDOW = re.compile(r"\bREAD\b.*\bwindow (\d+)\b")


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


def held_out_split(folder: Path) -> str:
    """The split that real videos of a folder are taken from; "": it is no prepared footage, so all are taken.

    Raises:
        InputError: see ``footage.manifest.manifest_of``.
    """
    return "" if manifest_of(folder) is None else HELD_OUT


def find_real(folder: Path, generated: Collection[str] = ()) -> dict[str, Path]:
    """The real videos of a folder, as :func:`find_videos`; of prepared footage only people held out.

    Args:
        folder: of the videos.
        generated: names of generated videos.

    Raises:
        MediaError: as :func:`find_videos`, or no one in the folder is held out.
        InputError: a generated video has the name of one that was for training.
    """
    found, manifest = find_videos(folder), manifest_of(folder)
    if manifest is None:
        return found
    held_out = set(manifest.videos(HELD_OUT))
    kept = {name: path for name, path in found.items() if path.resolve() in held_out}
    if not kept:
        raise MediaError(
            f"{folder} holds no item of the split {HELD_OUT} of {manifest.folder}; expected that folder"
        )
    trained = sorted(found.keys() & set(generated) - kept.keys())
    if trained:
        raise InputError(
            f"{len(trained)} generated videos have names of items for training, such as {trained[0]}; "
            f"evaluation takes the split {HELD_OUT} of {manifest.folder}. Remove them, or copy the real "
            "videos to another folder"
        )
    return kept


def read_frames(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Tensor]:
    """The frames [start, stop) of a video, 25 per second, (H, W, 3) uint8 each; None: up to its end.

    Raises:
        MediaError: it cannot be read, or holds no frames.
    """
    shown = None
    for shown in FrameReader(path).read(start, stop):
        yield torch.from_numpy(shown.pixels())
    if shown is None:
        raise MediaError(f"{path} holds no frames that can be decoded; download or export it again")


def pick_frames(path: Path, indices: Collection[int]) -> dict[int, Tensor]:
    """The frames at some indices, (H, W, 3) uint8 each; those beyond the end are missing.

    Raises:
        MediaError: as :func:`read_frames`.
    """
    last = max(indices, default=-1)
    return {i: frame for i, frame in zip(range(last + 1), read_frames(path), strict=False) if i in indices}


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


def video_seconds(path: Path) -> float:
    """How long the pictures of a video last.

    Raises:
        MediaError: as :func:`read_frames`.
    """
    reader = FrameReader(path)
    if reader.exact and reader.declared:
        return reader.declared
    return sum(1 for _ in read_frames(path)) / FPS


def clip_window(path: Path) -> int | None:
    """Latents per clip that the tags of a video of READ tell; None: they do not.

    Raises:
        MediaError: it cannot be opened.
    """
    with open_input(path, WHAT) as container:
        found = _WINDOW.search(container.metadata.get("comment", ""))
    return int(found.group(1)) if found else None
