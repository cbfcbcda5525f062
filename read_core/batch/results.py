"""Record the results of jobs in a CSV file next to the table. Every job appends a line."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

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


class Results:
    """The results of a table. A job that runs again appends another line, and the last one counts.

    Args:
        path: the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Result] = {}
        self._ends = True
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            self._ends = text.endswith("\n") or not text
            whole = text if self._ends else text[: text.rfind("\n") + 1]  # a kill may cut the last line
            for cells in csv.DictReader(io.StringIO(whole)):
                values: dict[str, Any] = dict(cells)
                values |= {name: int(cells[name]) for name in ("frames", "attempts")}
                self.found[cells["out"]] = Result(**values | {"seconds": float(cells["seconds"])})

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
        result = self.found.get(row.asked["out"])
        return result is not None and bool(result.sha256) and result.sha256 == checksum(row.job.out)

    def add(self, result: Result) -> None:
        """Keep a result and append it to the file.

        Raises:
            MediaError: it cannot be written.
        """
        self.found[result.out] = result
        try:
            if not self._ends:
                text = self.path.read_text(encoding="utf-8")
                self.path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
                self._ends = True
            with self.path.open("a", encoding="utf-8", newline="") as file:
                lines = csv.DictWriter(file, [each.name for each in fields(Result)], lineterminator="\n")
                if file.tell() == 0:
                    lines.writeheader()
                lines.writerow({name: _flat(value) for name, value in asdict(result).items()})
        except OSError as error:
            raise write_error(self.path, error) from error


def _flat(value: Any) -> Any:
    """Texts in one line: a line of the file is a result."""
    return " ".join(value.split()) if isinstance(value, str) else value
