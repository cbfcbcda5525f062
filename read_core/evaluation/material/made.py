"""Record how the videos of a folder were made, so that a later run adds only videos made in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError, MediaError
from ..tables.report import make_folder

_MADE = "made.json"


def check_made(folder: Path, content: Mapping[str, Any]) -> None:
    """Make a folder and write down how its videos are made, or compare it with what is recorded there.

    Args:
        folder: of the videos.
        content: what JSON can hold.

    Raises:
        InputError: its videos were made with other settings.
        MediaError: the folder or the file cannot be written or read.
    """
    make_folder(folder)
    file = folder / _MADE
    try:
        if not file.is_file():
            file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MediaError(f"{file}: cannot be written or read: {error}") from error
    if found != json.loads(json.dumps(content)):
        raise InputError(
            f"{folder} holds videos made by {found}, not by {content}; remove it or choose another --out"
        )
