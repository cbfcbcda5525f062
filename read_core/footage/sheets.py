"""Contact sheets of prepared footage: kept items, and spans that were left out, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import MediaError
from ..geometry import FPS
from ..media.files import written_whole
from ..media.frames import FrameReader
from .manifest import Manifest
from .records import SOURCES

KEPT, SKIPPED = "kept.png", "skipped.png"
_SIDE, _GAP, _LABEL, _TEXT = 112, 4, 310, 13
_PICTURES = 6  # in a row
_ROWS = 20
_PAPER, _INK, _NONE = (250, 250, 248), (40, 40, 40), (205, 205, 205)


def save_sheets(out: Path, videos: Path, manifest: Manifest) -> list[Path]:
    """Draw both sheets into ``out``; of many rows, ones spread over all. Returns those that have any row.

    Args:
        videos: the folder of the footage, or the file.

    Raises:
        MediaError: a sheet cannot be written.
    """
    kept = [_kept_row(out, item) for item in _spread(manifest.content["items"])]
    skipped = [_skipped_row(videos, span) for span in _spread(manifest.content["skipped"])]
    written = []
    for name, rows in ((KEPT, kept), (SKIPPED, skipped)):
        if rows:
            _save(_drawn(rows), out / name)
            written.append(out / name)
    return written


def are_current(out: Path, manifest: Manifest) -> bool:
    """Whether each sheet that has rows is there, and newer than all plans and records of items."""
    content = manifest.content
    wanted = [out / name for name, rows in ((KEPT, "items"), (SKIPPED, "skipped")) if content[rows]]
    if not all(path.is_file() for path in wanted):
        return False
    made = max((p.stat().st_mtime_ns for p in (out / SOURCES).glob("*/*.json")), default=0)
    return all(path.stat().st_mtime_ns >= made for path in wanted)


def _spread(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    count = min(_ROWS, len(entries))
    return [entries[i * len(entries) // count] for i in range(count)]


def _kept_row(out: Path, item: Mapping[str, Any]) -> tuple[str, list[Image.Image]]:
    label = f"{item['source']}\n{_clock(item)}\n{item['split']}, speech in {item['spoken']:.0%}"
    return label, _pictures((out / item["file"]).with_suffix(".mp4"), 0, item["stop"] - item["start"])


def _skipped_row(videos: Path, span: Mapping[str, Any]) -> tuple[str, list[Image.Image]]:
    path = videos if videos.is_file() else videos / span["source"]
    label = f"{span['source']}\n{_clock(span)}\n{_short(span['reason'].replace(str(path), 'it'))}"
    return label, _pictures(path, span["start"], max(span["stop"], span["start"] + 1))


def _clock(span: Mapping[str, Any]) -> str:
    if not span["stop"]:
        return "all of it"
    return f"{span['start'] / FPS:.1f} to {span['stop'] / FPS:.1f} s"


def _short(reason: str) -> str:
    """Break a reason into lines that fit next to the pictures."""
    lines = [""]
    for word in reason.split():
        if len(lines[-1]) + len(word) > 44:
            lines.append("")
        lines[-1] += f"{word} "
    return "\n".join(lines[:4])


def _pictures(path: Path, start: int, stop: int) -> list[Image.Image]:
    """Pictures spread over moments [start, stop), as far as they can be read."""
    pictures = []
    for index in np.linspace(start, stop - 1, min(_PICTURES, stop - start)).round().astype(int).tolist():
        try:
            shown = next(iter(FrameReader(path).read(index, index + 1)), None)
        except MediaError:
            shown = None
        if shown is not None:
            image = Image.fromarray(shown.pixels())
            size = (max(1, round(_SIDE * image.width / image.height)), _SIDE)
            pictures.append(image.resize(size, Image.Resampling.LANCZOS))
    return pictures


def _drawn(rows: Sequence[tuple[str, list[Image.Image]]]) -> Image.Image:
    widest = max(sum(p.width + _GAP for p in row) for _, row in rows)
    sheet = Image.new("RGB", (_LABEL + max(widest, _SIDE), len(rows) * (_SIDE + _GAP)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for index, (label, row) in enumerate(rows):
        x, y = _LABEL, index * (_SIDE + _GAP)
        draw.text((_GAP, y + _GAP), label, fill=_INK, font=font)
        if not row:
            draw.rectangle((x, y, x + _SIDE, y + _SIDE), fill=_NONE)
        for picture in row:
            sheet.paste(picture, (x, y))
            x += picture.width + _GAP
    return sheet


def _save(sheet: Image.Image, path: Path) -> None:
    with written_whole(path) as temporary:
        sheet.save(temporary, format="PNG")
