"""Contact sheets: rows of pictures with a label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ...errors import MediaError
from ...generate.contact_sheet import GAP, INK, PAPER

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = 10
_LABEL = 170  # width of the labels in pixels
_TITLE = 18  # height of the titles in pixels
_TEXT = 12


def save_rows(
    rows: Sequence[tuple[str, Sequence[Tensor]]], path: Path, side: int, titles: Sequence[str] = ()
) -> None:
    """Draw rows of pictures (H, W, 3), 0..1, each ``side`` pixels high, next to their labels.

    Args:
        rows: label and pictures of each row; labels may have several lines.
        path: ``*.png``.
        side: height of a picture in pixels.
        titles: titles of the columns.

    Raises:
        MediaError: the file cannot be written.
    """
    width = max(round(side * picture.shape[1] / picture.shape[0]) for _, row in rows for picture in row)
    top = _TITLE if titles else 0
    columns = max(len(row) for _, row in rows)
    sheet = Image.new("RGB", (_LABEL + columns * (width + GAP), top + len(rows) * (side + GAP)), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for column, title in enumerate(titles):
        draw.text((_LABEL + column * (width + GAP), 2), title, fill=INK, font=font)
    for index, (label, row) in enumerate(rows):
        y = top + index * (side + GAP)
        draw.text((GAP, y + GAP), label, fill=INK, font=font)
        for column, picture in enumerate(row):
            image = Image.fromarray(_bytes(picture))
            size = (round(side * image.width / image.height), side)
            image = image.resize(size, Image.Resampling.LANCZOS)
            sheet.paste(image, (_LABEL + column * (width + GAP), y))
    _save(sheet, path)


def places(frames: int, count: int) -> list[int]:
    """``count`` frame indices spread over a video of ``frames`` frames, including the first and the last."""
    chosen: list[int] = torch.linspace(0, frames - 1, count).round().long().tolist()
    return chosen


def spread(frames: Tensor, count: int) -> list[Tensor]:
    """The frames of a video (F, H, W, 3) at its :func:`places`."""
    return [frames[place] for place in places(len(frames), count)]


def _bytes(picture: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = (
        (picture.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    )
    return pixels


def _save(image: Image.Image, path: Path) -> None:
    try:
        image.save(path, format="PNG")
    except OSError as error:
        raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error
