"""Read the table of jobs: a CSV file with one video per line."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..finish import Finishing
from ..generate.guidance import choose_guidance
from ..generate.job import Job
from ..media.files import check_input
from ..records import FaceChoice, SamplingSettings

if TYPE_CHECKING:
    from ..checkpoint import SamplingDefaults

REQUIRED = ("portrait", "speech", "out")


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise ValueError
    return text.lower() == "yes"


# Column -> how its text is read, and what is expected.
OPTIONAL: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "seed": (int, "a whole number"),
    "steps": (int, "a whole number"),
    "window": (int, "a whole number"),
    "guidance": (str, "split, joint, none or distilled"),
    "alpha": (float, "a number"),
    "beta": (float, "a number"),
    "size": (int, "pixels"),
    "fit": (str, "face, crop, pad or stretch"),
    "face_index": (int, "a whole number"),
    "detail": (_yes_or_no, "yes or no"),
    "paste_back": (_yes_or_no, "yes or no"),
    "output_size": (int, "pixels"),
    "track": (int, "a whole number"),
    "blinks": (_yes_or_no, "yes or no"),
    "head_motion": (_yes_or_no, "yes or no"),
}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        line: number of the line in the file, from 2: the first one holds the names of the columns.
        job: the video to make.
        asked: the options of the line that are not empty, as text.
    """

    line: int
    job: Job
    asked: dict[str, str]

    def fingerprint(self, checkpoint: str) -> str:
        """A hash of the options, both input files and ``checkpoint``: another one means another video."""
        digest = hashlib.sha256(json.dumps([checkpoint, self.asked], sort_keys=True).encode())
        for path in (self.job.portrait, self.job.speech):
            digest.update(_input_checksum(path).encode())
        return digest.hexdigest()


def read_table(path: Path, defaults: SamplingDefaults) -> list[Row]:
    """Read the jobs; paths are relative to the table's folder, empty cells mean the checkpoint's default.

    Raises:
        MediaError: no such file.
        InputError: not in UTF-8, an unknown or missing column, a value of another kind or out of range, two
            equal outputs, or no jobs.
    """
    try:
        text = check_input(path, "a CSV file of jobs").read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not in UTF-8; save it as CSV UTF-8") from error
    lines = csv.DictReader(text.splitlines())
    columns = [name.strip() for name in lines.fieldnames or ()]
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in REQUIRED and name not in OPTIONAL]
    if missing or unknown:
        trouble = f"lacks the column {missing[0]}" if missing else f"has an unknown column {unknown[0]!r}"
        raise InputError(f"{path} {trouble}; expected {', '.join(REQUIRED)} and any of {', '.join(OPTIONAL)}")
    rows: list[Row] = []
    outputs: dict[Path, int] = {}
    for cells in lines:
        line = lines.line_num
        asked = {name.strip(): (text or "").strip() for name, text in cells.items() if name is not None}
        asked = {name: text for name, text in asked.items() if text}
        if not asked:
            continue
        row = Row(line, _job(path, line, asked, defaults), asked)
        earlier = outputs.setdefault(row.job.out.resolve(), line)
        if earlier != line:
            raise InputError(
                f"{path}: lines {earlier} and {line} both write {row.job.out}; name another file"
            )
        rows.append(row)
    if not rows:
        raise InputError(f"{path} has no jobs; expected a line with portrait, speech and out for each video")
    return rows


def _job(path: Path, line: int, asked: Mapping[str, str], defaults: SamplingDefaults) -> Job:
    empty = [name for name in REQUIRED if name not in asked]
    if empty:
        raise InputError(f"{path}, line {line}: {empty[0]} is empty; expected the name of a file")
    values: dict[str, Any] = {}
    for name, (read, expected) in OPTIONAL.items():
        try:
            values[name] = read(asked[name]) if name in asked else None
        except ValueError:
            raise InputError(f"{path}, line {line}: {name} is {asked[name]!r}; expected {expected}") from None
    folder = path.parent.resolve()  # workers of Ray run in another folder
    try:
        kind = values["guidance"]
        default = defaults.guidance if kind is None else defaults.guidance_of(kind)
        settings = SamplingSettings(
            steps=values["steps"],
            guidance=choose_guidance(default, kind, values["alpha"], values["beta"]),
            window=values["window"],
            seed=values["seed"] or 0,
        )
        side = values["size"]
        return Job(
            portrait=folder / asked["portrait"],
            speech=folder / asked["speech"],
            out=folder / asked["out"],
            settings=settings,
            size=None if side is None else (side, side),
            fit=values["fit"],
            face=FaceChoice(values["face_index"] or 0),
            finishing=Finishing(
                values["detail"],
                values["paste_back"],
                values["output_size"],
                values["blinks"],
                head_motion=values["head_motion"],
            ),
            track=values["track"],
        )
    except InputError as error:
        raise InputError(f"{path}, line {line}: {error}") from error


def overwriting(row: Row) -> Row:
    """The same row, whose job may replace its output."""
    return replace(row, job=replace(row.job, overwrite=True))


def _input_checksum(path: Path) -> str:
    """:func:`checksum`, computed once for a file that many jobs share."""
    if not path.is_file():
        return checksum(path)
    about = path.stat()
    return _of_version(path, about.st_mtime_ns, about.st_size)


@cache
def _of_version(path: Path, _changed: int, _size: int) -> str:
    return checksum(path)


def checksum(path: Path) -> str:
    """SHA-256 of a file, or "" if it cannot be read: the job itself will say so."""
    try:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()
    except OSError:
        return ""
