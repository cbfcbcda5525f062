"""Record the results of jobs in a CSV file next to the table. Every job appends a line."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..media.files import write_error
from .table import Row, checksum

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Result:
    """One job's outcome.

    Attributes:
        out: the video, as the table names it.
        state: ``done`` or ``failed``.
        frames: frames of the video.
        seconds: time that it took.
        attempts: how often it was tried.
        sha256: checksum of the video.
        fingerprint: see ``table.Row.fingerprint``.
        message: why it failed.
    """

    out: str
    state: str
    frames: int = 0
    seconds: float = 0.0
    attempts: int = 1
    sha256: str = ""
    fingerprint: str = ""
    message: str = ""


_COLUMNS = [each.name for each in fields(Result)]


class Results:
    """The results of a table. A job that runs again appends another line, and the last one counts.

    Args:
        path: the file, which need not exist.

    Raises:
        InputError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Result] = {}
        self._made: dict[str, str] = {}  # checksum of the last video of each name, failures since then or not
        if path.is_file():
            for cells in csv.DictReader(io.StringIO(self._whole_lines().decode(errors="replace"))):
                if list(cells) != _COLUMNS:
                    raise InputError(
                        f"{path} holds no results of read-core batch; name another file with --results"
                    )
                values: dict[str, Any] = dict(cells)
                values |= {name: int(cells[name]) for name in ("frames", "attempts")}
                self._keep(Result(**values | {"seconds": float(cells["seconds"])}))

    def prepare(self) -> None:
        """Write the header, or cut off a line that a kill left unfinished, before any work.

        Raises:
            MediaError: the file cannot be written.
        """
        try:
            whole = self._whole_lines() if self.path.is_file() else b""
            with self.path.open("r+b" if self.path.is_file() else "wb") as file:
                file.write(whole or (",".join(_COLUMNS) + "\n").encode())
                file.truncate()
        except OSError as error:
            raise write_error(self.path, error) from error

    def finished(self, row: Row, fingerprint: str) -> bool:
        """Whether the video of a row is there, unchanged, and made from the same inputs."""
        result = self.found.get(row.asked["out"])
        return (
            result is not None
            and result.state == DONE
            and result.fingerprint == fingerprint
            and result.sha256 == checksum(row.job.out)
        )

    def made_here(self, row: Row) -> bool:
        """Whether the file under the row's name is an earlier result: it may be replaced."""
        made = self._made.get(row.asked["out"])
        return made is not None and made == checksum(row.job.out)

    def add(self, result: Result) -> None:
        """Keep a result and append it to the file, which :meth:`prepare` has prepared.

        Raises:
            MediaError: it cannot be written.
        """
        result = replace(result, message=" ".join(result.message.split()))  # a line of the file is a result
        self._keep(result)
        try:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
                csv.DictWriter(file, _COLUMNS, lineterminator="\n").writerow(asdict(result))
        except OSError as error:
            raise write_error(self.path, error) from error

    def _keep(self, result: Result) -> None:
        self.found[result.out] = result
        if result.sha256:
            self._made[result.out] = result.sha256

    def _whole_lines(self) -> bytes:
        data = self.path.read_bytes()
        return data[: data.rfind(b"\n") + 1]  # a kill may cut the last line, even within a letter
