"""Merge the reports of several checkpoints into one: rows of generated videos of each table, side by side.

    python scripts/compare_reports.py --out output/variants/table NAME=FOLDER [NAME=FOLDER ...]

Each folder is the ``--out`` of ``read-core evaluate``, with its report.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from read_core.errors import InputError, ReadError
from read_core.evaluation.figures import column, read_figures
from read_core.evaluation.metrics.intervals import Estimate, difference_of_means
from read_core.evaluation.tables.lips import BY_VIDEO, VideoLips
from read_core.evaluation.tables.report import Report, shown
from read_core.evaluation.tables.seams import ANS, INDEPENDENT, SYNCHRONOUS

COMPARED = ("generated", ANS, INDEPENDENT, SYNCHRONOUS)
"""First cells of the rows that are means over generated videos."""
SAME = ("seed", "size", "speakers", "resolution")
"""Facts that must be equal in all reports."""
Contents = dict[str, Any]


@dataclass(frozen=True)
class LipDifferences:
    """By how much the lips of one checkpoint follow better than another's."""

    opening: Estimate = column("open r")
    width: Estimate = column("width r")
    rounding: Estimate = column("round r")


def read_report(folder: Path) -> Contents:
    """The facts of a report, and its tables by title, in order.

    Raises:
        InputError: the file is missing or not a report.
    """
    file = folder / "report.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {"facts": dict(found["facts"]), "tables": {table["title"]: table for table in found["tables"]}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is not a report ({error!r}); expected one of 'read-core evaluate --out {folder}'"
        ) from error


def compare(reports: dict[str, Contents]) -> Report:
    """One report with a row for each checkpoint and each compared row of its tables.

    Raises:
        InputError: a report has other videos, tables or columns than the first one.
    """
    first = next(iter(reports.values()))
    for name, report in reports.items():
        for fact in SAME:
            found, expected = report["facts"].get(fact), first["facts"].get(fact)
            if found != expected:
                raise InputError(
                    f"the report of {name} has the {fact} {found}, the first one {expected}; "
                    "evaluate all checkpoints with the same arguments"
                )
    compared = Report("Checkpoints compared", {fact: first["facts"].get(fact, "-") for fact in SAME})
    others = [fact for fact in first["facts"] if fact not in SAME]
    rows = [
        (name, *(shown(report["facts"].get(fact, "-")) for fact in others))
        for name, report in reports.items()
    ]
    compared.add("Checkpoints", ("checkpoint", *others), rows)
    for title, table in first["tables"].items():
        columns = tuple(table["columns"])
        rows = [row for name, report in reports.items() for row in _rows(name, report, title, columns)]
        if rows:
            compared.add(title, ("checkpoint", *columns), rows, table.get("note", ""))
        if title == BY_VIDEO:
            lips = {
                name: read_figures(VideoLips, report["tables"][title]) for name, report in reports.items()
            }
            _add_differences(compared, lips)
    return compared


def _add_differences(compared: Report, lips: dict[str, list[VideoLips]]) -> None:
    """Add how much better each checkpoint's lips follow than those of later ones, over the same videos."""
    rows = []
    for first, other in combinations(lips, 2):
        ours, theirs = lips[first], lips[other]
        figures = LipDifferences(
            difference_of_means([one.opening for one in ours], [one.opening for one in theirs]),
            difference_of_means([one.width for one in ours], [one.width for one in theirs]),
            difference_of_means([one.rounding for one in ours], [one.rounding for one in theirs]),
        )
        rows.append((f"{first}, less {other}", figures))
    if rows:
        compared.add_figures(
            "Lips, told apart",
            "checkpoints",
            LipDifferences,
            rows,
            "Differences of the means over the same videos, with 95 % intervals over videos; where the "
            "interval holds 0 they cannot be told apart.",
        )


def _rows(name: str, report: Contents, title: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    table = report["tables"].get(title)
    if table is None or tuple(table["columns"]) != columns:
        raise InputError(
            f"the report of {name} has no table {title!r} with the columns of the first report; evaluate "
            "all checkpoints again with the same version"
        )
    return [(name, *map(_cell, row)) for row in table["rows"] if row[0] in COMPARED]


def _cell(value: Any) -> Any:
    return float("nan") if value is None else value


def main(arguments: list[str] | None = None) -> int:
    """Write comparison.md, .txt and .json; return exit status 2 if that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the comparison")
    parser.add_argument("reports", nargs="+", metavar="NAME=FOLDER", help="what to call it, and its report")
    args = parser.parse_args(arguments)
    folders: dict[str, Path] = {}
    for item in args.reports:
        name, separator, folder = item.partition("=")
        if not separator:
            parser.error(f"{item}: expected NAME=FOLDER")
        if name in folders:
            parser.error(f"{item}: {name} is used twice; expected a different name for each report")
        folders[name] = Path(folder)
    try:
        compare({name: read_report(folder) for name, folder in folders.items()}).write(args.out, "comparison")
    except ReadError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
