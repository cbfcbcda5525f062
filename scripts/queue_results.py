"""The results of a table of videos, in the CSV file of ``read-core batch``: every job appends a line.

``read_core.batch.results`` needs torch, which a machine that only talks to ComfyUI need not have.
"""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

COLUMNS = ("out", "state", "frames", "seconds", "attempts", "sha256", "fingerprint", "message")
DONE, FAILED, STARTED = "done", "failed", "started"
FOUND = "was there before results were kept"


class Results:
    """The results of a table; the last line of a video counts.

    A line ``started`` is no result: the process was about to give the video of that checksum its name, or, in
    ``read-core batch``, to make it. If it was killed before the result, the next run may replace that video.

    Args:
        path: the file, which need not exist.

    Raises:
        ValueError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.new = not path.is_file()
        self.last: dict[str, dict[str, str]] = {}
        self.started: set[str] = set()  # videos whose work was cut off, and whose checksum is unknown
        self.made: set[tuple[str, str]] = set()  # names and checksums of all videos so far
        self.whole = b"" if self.new else path.read_bytes()
        self.whole = self.whole[: self.whole.rfind(b"\n") + 1]  # a kill may cut the last line
        for line in csv.DictReader(io.StringIO(self.whole.decode(errors="replace"))):
            if tuple(line) != COLUMNS:
                raise ValueError(f"{path} holds no results; name another file with --results")
            self._keep(line)

    def prepare(self) -> None:
        """Write the header, or cut off an unfinished line, before any work."""
        with self.path.open("wb" if self.new else "r+b") as file:  # no moment without the results
            file.write(self.whole or (",".join(COLUMNS) + "\n").encode())
            file.truncate()

    def finished(self, out: str, path: Path, fingerprint: str) -> bool:
        """Whether the video is there, unchanged, and made from the same inputs."""
        line = self.last.get(out, {})
        same = line.get("state") == DONE and line["fingerprint"] == fingerprint
        return same and line["sha256"] == checksum(path)

    def made_here(self, out: str, path: Path) -> bool:
        """Whether the file is an earlier result, or of work that was cut off: it may be replaced."""
        return out in self.started or (out, checksum(path)) in self.made

    def add(self, out: str, state: str, **values: str | float) -> None:
        """Keep a result and append it to the file. Frames are not known here: 0."""
        told: dict[str, str | float] = {
            "out": out,
            "state": state,
            "frames": 0,
            "seconds": 0.0,
            "attempts": 1,
        }
        line = {name: " ".join(str((told | values).get(name, "")).split()) for name in COLUMNS[1:]}
        self._keep({"out": out, **line})
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow({"out": out, **line})

    def _keep(self, line: dict[str, str]) -> None:
        out = line["out"]
        self.started.discard(out)
        if line["sha256"]:
            self.made.add((out, line["sha256"]))
        elif line["state"] == STARTED:
            self.started.add(out)
        if line["state"] != STARTED:
            self.last[out] = line


def checksum(path: Path) -> str:
    """SHA-256 of a file, or "" if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
