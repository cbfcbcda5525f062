"""Finished items: check their files on request, or give them another license."""

from __future__ import annotations

from pathlib import Path

from ..errors import OnWarning
from ..weights.files import read_json
from .records import SETTINGS, SOURCES, damaged, folder_of, item_path, read_plan, read_record, write_json
from .units import Unit


def remove_damaged(out: Path, unit: Unit, on_warning: OnWarning) -> None:
    """Remove the files of an item that differ from their checksums, so that it is made again."""
    folder = folder_of(out, unit.source)
    record = None if unit.item is None else read_record(folder, unit.item)
    for path in [] if record is None else damaged(folder, record):
        on_warning(f"{path} is damaged: its checksum is not the one in its record; the item is made again")
        path.unlink()


def relicense(out: Path, license_name: str) -> None:
    """Write a license into the records of all finished items, and make it that of new ones."""
    content = read_json(out / SETTINGS)
    for folder in sorted((out / SOURCES).glob("*")):
        plan = read_plan(folder)
        for number in [] if plan is None else plan.items:
            record = read_record(folder, number)
            if record is not None and "files" in record and record.get("license") != license_name:
                write_json(item_path(folder, number, ".json"), record | {"license": license_name})
    write_json(out / SETTINGS, content | {"license": license_name})
