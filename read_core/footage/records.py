"""Records on disk: ``plan.json`` of a video, ``<number>.json`` of an item; written completely or not at all.

::

    OUT/settings.json             how it was prepared, and with which models
    OUT/manifest.json             everything that is there, see ``manifest``
    OUT/sources/<video>/plan.json           spans of the video, and why some become no items
    OUT/sources/<video>/0000.safetensors    an item: latents, references, steps; the form that training reads
    OUT/sources/<video>/0000.mp4            its crop, with sound
    OUT/sources/<video>/0000.json           written last: the item is finished
    OUT/sources/<video>/sound.i16           until all items are finished, see ``scan``
    OUT/sources/<video>/looks.jsonl         until the video is scanned, see ``looks``

Anything else there is the user's, such as ``0000.txt`` and ``0000.prompt.safetensors``, and stays.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import MediaError
from ..face.alignment import FaceCrop
from ..media.files import written_whole
from ..weights.files import read_json
from ..weights.origin import checksum
from .scan import SOUND, Scanned
from .sources import Source
from .stretches import Span

SETTINGS, MANIFEST, PLAN = "settings.json", "manifest.json", "plan.json"
SOURCES, LOCKS = "sources", "locks"
TEXTS = ("*.txt", "*prompt.safetensors")
"""The user's files in a video's folder: texts, and their embeddings."""
_MADE = re.compile(r"\d{4,}\.(json|mp4|safetensors|partial(-\d+)?\.mp4)|\.[0-9a-f]+\.tmp")


@dataclass(frozen=True)
class Plan:
    """What the scan of one video found.

    Attributes:
        source: name of the video.
        identity: who is in it; "": unknown.
        state: size and time of change of the file then.
        seconds: its length.
        spans: in order; those with a crop are items, numbered by their place here.
        spoken: share of speech of each.
        remarks: what is not as it should be.
        refused: why nothing of it can be used; "": it can.
        sha256: of the file; "": an earlier version has scanned it.
    """

    source: str
    identity: str
    state: list[int]
    seconds: float
    spans: list[Span]
    spoken: list[float]
    remarks: list[str]
    refused: str = ""
    sha256: str = ""

    @property
    def items(self) -> list[int]:
        """The numbers of the spans that become items."""
        return [number for number, span in enumerate(self.spans) if span.crop is not None]

    @classmethod
    def of(cls, source: Source, state: list[int], sha256: str, scanned: Scanned) -> Plan:
        """The plan for a video that was scanned."""
        found = scanned
        return cls(
            source.name,
            source.identity,
            state,
            round(found.seconds, 2),
            found.spans,
            [round(share, 3) for share in found.spoken],
            found.remarks,
            sha256=sha256,
        )

    @classmethod
    def refusing(cls, source: Source, state: list[int], sha256: str, reason: str) -> Plan:
        """The plan for a video of which nothing can be used."""
        return cls(source.name, source.identity, state, 0.0, [], [], [], reason, sha256)


def folder_of(out: Path, source: Source) -> Path:
    """The folder of a video's files."""
    return out / SOURCES / source.key


def read_plan(folder: Path) -> Plan | None:
    """The plan in a video's folder; None: there is none yet."""
    if not (folder / PLAN).is_file():
        return None
    values = read_json(folder / PLAN)
    spans = [_span(span) for span in values.pop("spans")]
    return Plan(**values, spans=spans)


def write_plan(folder: Path, plan: Plan) -> None:
    """Write it, see :func:`write_json`."""
    write_json(folder / PLAN, asdict(plan))


def item_path(folder: Path, number: int, suffix: str) -> Path:
    """A file of item ``number``: ``.safetensors``, ``.mp4`` or ``.json``."""
    return folder / f"{number:04d}{suffix}"


def read_record(folder: Path, number: int) -> dict[str, Any] | None:
    """The record of item ``number`` in a video's folder; None: the item is not finished."""
    path = item_path(folder, number, ".json")
    return read_json(path) if path.is_file() else None


def license_of(out: Path, record: Mapping[str, Any]) -> str:
    """The license of an item; records of an earlier version have none: it is that of the folder."""
    return str(record["license"] if "license" in record else read_json(out / SETTINGS)["license"])


def is_complete(folder: Path, record: Mapping[str, Any]) -> bool:
    """Whether the files that an item's record names are there, with their sizes; a refusal names none."""
    return all(_size(folder / name) == told["bytes"] for name, told in record.get("files", {}).items())


def damaged(folder: Path, record: Mapping[str, Any]) -> list[Path]:
    """The files that differ from the checksum in an item's record; all of them are read."""
    files = {folder / name: told["sha256"] for name, told in record.get("files", {}).items()}
    return [path for path, sha256 in files.items() if path.is_file() and checksum([path]) != sha256]


def remove_made(folder: Path) -> None:
    """Remove plan, sound and items from a video's folder, and leave what else is there."""
    for path in folder.iterdir():
        if path.name in (PLAN, SOUND) or _MADE.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON completely or not at all.

    Raises:
        MediaError: it cannot be written.
    """
    write_bytes(path, (json.dumps(content, indent=1) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, and flush it to the disk.

    Raises:
        MediaError: it cannot be written; it names the disk where that is full.
    """
    try:
        with written_whole(path) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except MediaError as error:
        raise CannotWriteError(str(error)) from error


class CannotWriteError(MediaError):
    """A file cannot be written, for example as the disk is full: the run ends, and nothing is recorded."""


def _size(path: Path) -> int | None:
    """Bytes of a file; None: it is not there."""
    return path.stat().st_size if path.is_file() else None


def _span(values: dict[str, Any]) -> Span:
    crop = values.pop("crop")
    return Span(**values, crop=None if crop is None else FaceCrop(**crop))
