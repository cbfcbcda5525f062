"""Where a part's weights come from, and under which license: ``origin.json`` in the part's folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import CheckpointError
from .files import read_json, weight_files

FILE = "origin.json"
LICENSE = "LICENSE.txt"
NOT_STATED = "not stated; read the license that came with the files"


@dataclass(frozen=True)
class Origin:
    """Where the weights in a folder come from.

    Attributes:
        release: what they are, as ``LTX-Video 0.9.5 to 0.9.8``.
        source: name of the file or folder that they were read from.
        sha256: of that file; of a folder, of its weight files, one after another.
        license: name of the license, or what to do to learn it.
    """

    release: str
    source: str
    sha256: str
    license: str

    def line(self) -> str:
        """All but the checksum in one line."""
        return f"{self.release}, from {self.source}; license: {self.license}"


def write_origin(folder: Path, origin: Origin, license_file: Path | None = None) -> None:
    """Write down the origin of the weights in ``folder``, with the text of their license if there is one."""
    (folder / FILE).write_text(json.dumps(asdict(origin), indent=2) + "\n", encoding="utf-8")
    if license_file is not None:
        shutil.copyfile(license_file, folder / LICENSE)


def read_origin(folder: Path) -> Origin | None:
    """The origin of the weights in ``folder``; None: it does not tell.

    Raises:
        CheckpointError: its ``origin.json`` is damaged.
    """
    if not (folder / FILE).is_file():
        return None
    try:
        return Origin(**read_json(folder / FILE))
    except TypeError as error:
        raise CheckpointError(
            f"{folder / FILE} has a missing or foreign entry ({error}); delete it"
        ) from error


def copy_origin(source: Path | None, target: Path) -> None:
    """Copy what ``source`` says about its origin to another folder with weights that were made from it."""
    for name in (FILE, LICENSE):
        if source is not None and (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def inherit_origin(ltx: Path, target: Path) -> None:
    """Write into ``target`` that its weights were trained from LTX-Video's, in the diffusers folder ``ltx``.

    What ``ltx`` says is copied. A folder that ``read-core init`` has not made says nothing: the release is
    then not stated.

    Raises:
        CheckpointError: the ``origin.json`` of ``ltx`` is damaged.
    """
    if read_origin(ltx) is not None:
        copy_origin(ltx, target)
        return
    text = find_license(ltx)
    license_name = NOT_STATED if text is None else text.name
    write_origin(
        target,
        Origin("LTX-Video, release not stated", ltx.name, checksum(weight_files(ltx)), license_name),
        text,
    )


def find_license(source: Path) -> Path | None:
    """The text of a license next to a file, or in a folder; one that names the file comes first."""
    folder, stem = (source, "") if source.is_dir() else (source.parent, source.stem)
    found = sorted(p for p in folder.glob("*") if "license" in p.name.lower() and p.is_file())
    named = [path for path in found if stem and path.name.startswith(stem)]
    return next(iter(named + found), None)


def checksum(files: list[Path]) -> str:
    """SHA-256 over the bytes of files, one after another."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
