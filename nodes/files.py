"""Widgets and path of the file that READ Talking Head to File writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui

from ..read_core.limits import CRF
from .discovery import folded
from .incoming import LAST_IMAGE
from .naming import check_within, filled_in

QUALITY = 17  # constant rate factor
FRAME_RATES = ["25", "24", "30", "50", "60"]


@dataclass(frozen=True)
class Target:
    """Path and settings of a video to write."""

    path: Path
    saved: ui.SavedResult
    fps: int
    crf: int


def file_inputs() -> list[io.Input]:
    """Widgets for the file; older prompts lack them, and the defaults keep their result."""
    return [
        io.Int.Input(
            "index",
            default=0,
            min=0,
            max=LAST_IMAGE,
            optional=True,
            **folded(tooltip="Number of the image in a batch, from 0."),
        ),
        io.Int.Input(
            "crf",
            default=QUALITY,
            min=CRF.least,
            max=CRF.largest,
            optional=True,
            **folded(tooltip="Quality of the file: a lower value is better and larger; 17 looks lossless."),
        ),
        io.Combo.Input(
            "fps",
            options=FRAME_RATES,
            default=FRAME_RATES[0],
            optional=True,
            **folded(
                tooltip="Frames per second of the file. The model makes 25. For another rate, frames are "
                "repeated or left out; sound and picture stay in sync."
            ),
        ),
        io.Boolean.Input(
            "save",
            default=True,
            optional=True,
            **folded(
                tooltip="Off: the file goes to ComfyUI's temp folder, which ComfyUI empties when it starts."
            ),
        ),
    ]


def prefix_of(pattern: str, prompt: Mapping[str, Any] | None, save: bool) -> str:
    """The first part of a file's name, see ``naming.filled_in``.

    Raises:
        InputError: it leads out of the folder, or contains control characters.
    """
    prefix = filled_in(pattern, prompt)
    check_within(prefix, root_of(save))
    return prefix


def root_of(save: bool) -> str:
    """The host's output folder or, without ``save``, its temp folder."""
    folder: str = folder_paths.get_output_directory() if save else folder_paths.get_temp_directory()
    return folder


def target_of(prefix: str, size: tuple[int, int], crf: int, fps: str, save: bool) -> Target:
    """The next free file with this prefix in the host's output folder or, without ``save``, its temp folder.

    Args:
        prefix: first part of its name, possibly with folders.
        size: (height, width) of the video.
        crf, fps, save: the widgets of :func:`file_inputs`.

    Raises:
        MediaError: the file cannot be written.
    """
    from ..read_core.media import check_output

    height, width = size
    root = root_of(save)
    Path(root).mkdir(parents=True, exist_ok=True)
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, root, width, height)
    path = check_output(Path(folder) / f"{name}_{counter:05}_.mp4", ".mp4")
    saved = ui.SavedResult(path.name, subfolder, io.FolderType.output if save else io.FolderType.temp)
    return Target(path, saved, int(fps), crf)
