"""Puts the reports of several checkpoints into one: each table's rows of generated videos, side by side.

    python scripts/compare_reports.py --out output/variants/table NAME=FOLDER [NAME=FOLDER ...]

Each folder is the ``--out`` of ``read-core evaluate`` and holds its report.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from read_core.errors import InputError
from read_core.evaluation.report import Report

COMPARED = ("generated", "generated with ANS", "clips sampled independently")
"""First cells of the rows that depend on the checkpoint and are means over videos."""
Tables = dict[str, dict[str, Any]]


def read_tables(folder: Path) -> Tables:
    """The tables of a report by title, in order.

    Raises:
        InputError: there is none, or it is not a report.
    """
    file = folder / "report.json"
    try:
        return {table["title"]: table for table in json.loads(file.read_text(encoding="utf-8"))["tables"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is not a report ({error!r}); expected one of 'read-core evaluate --out {folder}'"
        ) from error


def compare(reports: dict[str, Tables]) -> Report:
    """One report with a row for each checkpoint and each compared row of its tables.

    Raises:
        InputError: a report lacks a table of the first one, or has other columns in it.
    """
    report = Report("Checkpoints compared", {"checkpoints": ", ".join(reports)})
    for title, table in next(iter(reports.values())).items():
        columns = tuple(table["columns"])
        rows = []
        for name, tables in reports.items():
            found = tables.get(title)
            if found is None or tuple(found["columns"]) != columns:
                raise InputError(
                    f"the report of {name} has no table {title!r} with the columns of the first report; "
                    "evaluate all checkpoints anew with the same version"
                )
            rows += [(name, *map(_cell, row)) for row in found["rows"] if row[0] in COMPARED]
        if rows:
            report.add(title, ("checkpoint", *columns), rows, table.get("note", ""))
    return report


def _cell(value: Any) -> Any:
    return float("nan") if value is None else value


def main(arguments: list[str] | None = None) -> None:
    """Write comparison.md, .txt and .json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the comparison")
    parser.add_argument("reports", nargs="+", metavar="NAME=FOLDER", help="what to call it, and its report")
    args = parser.parse_args(arguments)
    reports = {}
    for item in args.reports:
        name, separator, folder = item.partition("=")
        if not separator:
            parser.error(f"{item}: expected NAME=FOLDER")
        reports[name] = read_tables(Path(folder))
    compare(reports).write(args.out, "comparison")


if __name__ == "__main__":
    main()
