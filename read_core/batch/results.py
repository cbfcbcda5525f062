"""Record the results of jobs in a CSV file next to the table. Every job appends a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..media.files import write_error
from .table import Row, checksum

DONE, FAILED, STARTED = "done", "failed", "started"
STOPPED = "the command was stopped before it was finished"


@dataclass(frozen=True)
class Result:
    """One job's outcome.

    Attributes:
        out: the video, as the table names it.
        state: ``done``, ``failed``, or ``started``, which is no result yet.
        frames: frames of the video.
        seconds: time that it took.
        attempts: how often it was tried.
        sha256: checksum of the video; of a failed job, of the video that its worker has left.
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

    A job that starts appends a line too. If no result follows, the command was killed: a video of that name
    is then its own, and the next run replaces it.

    Args:
        path: the file, which need not exist.

    Raises:
        InputError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Result] = {}
        self._started: set[str] = set()  # jobs without a result since they started
        self._made: set[tuple[str, str]] = set()  # names and checksums of all videos so far
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
        """Whether the file under the row's name is an earlier result, or of a job that was cut off."""
        out = row.asked["out"]
        return out in self._started or (out, checksum(row.job.out)) in self._made

    def close(self, rows: Iterable[Row]) -> None:
        """Record that the jobs which have started, and whose workers are gone, have no other result.

        Raises:
            MediaError: it cannot be written.
        """
        for row in rows:
            out = row.asked["out"]
            if out in self._started:
                self.add(Result(out, FAILED, message=STOPPED, sha256=checksum(row.job.out)))

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
        self._started.discard(result.out)
        if result.sha256:
            self._made.add((result.out, result.sha256))
        elif result.state == STARTED:
            self._started.add(result.out)
        if result.state != STARTED:
            self.found[result.out] = result

    def _whole_lines(self) -> bytes:
        data = self.path.read_bytes()
        return data[: data.rfind(b"\n") + 1]  # a kill may cut the last line, even within a letter
