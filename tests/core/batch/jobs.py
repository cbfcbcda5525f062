"""Tables of jobs."""

from __future__ import annotations

from pathlib import Path


def write_table(folder: Path, *lines: str, columns: str = "portrait,speech,out,seed,guidance,alpha") -> Path:
    path = folder / "jobs.csv"
    path.write_text("\n".join([columns, *lines]) + "\n")
    return path
