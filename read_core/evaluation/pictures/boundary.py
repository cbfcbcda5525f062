"""Frames around the place where two clips meet, and their differences: the paper's Fig. 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...errors import MediaError
from ..material.video_files import pick_frames

APART = 40  # frames
_INCH = 1.25  # side of a picture
_BRIGHTEST = 0.995  # share of the pixels that the scale covers


def shown_frames(last: int, frames: int, apart: int = APART) -> list[int]:
    """Indices of the shown frames, ``apart`` from each other, with the last of a clip and the next.

    Frame 0, which has none before it, is not among them.
    """
    return [*reversed(range(last, 0, -apart)), *range(last + 1, frames, apart)]


def save_boundary(videos: Sequence[tuple[str, Path, int]], frames: int, path: Path) -> float:
    """Draw for each video a row of frames and a row of differences from the frame before, all in one scale.

    Args:
        videos: label, file, and index of the last frame of its first clip.
        frames: that each video has.
        path: ``*.png``.

    Returns:
        The difference that is drawn white, in 1/255.

    Raises:
        MediaError: a video cannot be read, or the file cannot be written.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    rows = [
        (label, last, *_frames_and_maps(video, shown_frames(last, frames))) for label, video, last in videos
    ]
    values = torch.cat([torch.stack(maps).flatten() for *_, maps in rows]).sort().values
    brightest = max(float(values[int(_BRIGHTEST * (len(values) - 1))]), 1.0)
    scale = Normalize(0, brightest)
    columns = max(len(pictures) for *_, pictures, _ in rows)
    height, width = rows[0][2][0].shape[:2]
    size = (1.6 + columns * _INCH * width / height, 0.3 + 2 * len(rows) * (_INCH + 0.15))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(2 * len(rows), columns, squeeze=False)
    for each in axes.flat:
        each.set(xticks=[], yticks=[], frame_on=False)
    for index, (label, last, pictures, maps) in enumerate(rows):
        shown = shown_frames(last, frames)
        top, bottom = axes[2 * index], axes[2 * index + 1]
        top[0].set_ylabel(label, fontsize=8)
        bottom[0].set_ylabel("difference from\nthe frame before", fontsize=7)
        for place, (frame, picture, differs) in enumerate(zip(shown, pictures, maps, strict=True)):
            meet = frame == last + 1
            top[place].set_title(
                f"{frame + 1}" + (" (clips meet)" if meet else ""),
                fontsize=8,
                color="crimson" if meet else "black",
            )
            top[place].imshow(picture.numpy())
            bottom[place].imshow(differs.numpy(), cmap="inferno", norm=scale)
    colors = ScalarMappable(scale, "inferno")
    figure.colorbar(colors, ax=axes[:, -1], label="mean difference of colors, in 1/255", shrink=0.6)
    try:
        figure.savefig(path, dpi=110, bbox_inches="tight")
    except OSError as error:
        raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error
    return brightest


def _frames_and_maps(video: Path, shown: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
    """The frames (H, W, 3) uint8, and their differences (H, W), in 1/255, from the frames before them."""
    found = pick_frames(video, {place for index in shown for place in (index - 1, index)})
    missing = [index for index in shown if index not in found]
    if missing:
        raise MediaError(f"{video} has no frame {missing[0] + 1}; generate it again")
    maps = [(found[index].float() - found[index - 1].float()).abs().mean(-1) for index in shown]
    return [found[index] for index in shown], maps
