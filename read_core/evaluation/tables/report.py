"""Tables of figures as plain text, Markdown and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import MediaError
from ...terminal import command_line
from ..figures import Cell, cells_of, columns_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Table:
    """A titled table; ``note`` explains its columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass
class Report:
    """What a suite found: tables in order, and where it comes from.

    Attributes:
        title: of the whole.
        metadata: facts by name; the first is the command, if one is running.
        tables: in order.
    """

    title: str
    metadata: dict[str, Any]
    tables: list[Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        if (command := command_line()) is not None:
            self.metadata = {"command": command, **self.metadata}

    def add(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], note: str = "") -> None:
        """Append a table."""
        self.tables.append(Table(title, tuple(columns), tuple(tuple(row) for row in rows), note))

    def add_figures(
        self,
        title: str,
        label: str,
        kind: type[DataclassInstance],
        rows: Sequence[tuple[Cell, DataclassInstance]],
        note: str = "",
        whole: bool = True,
    ) -> None:
        """Append a table of figures.

        Args:
            title: of the table.
            label: title of its first column, which names the rows.
            kind: class of the figures.
            rows: name and figures of each.
            note: what the columns mean.
            whole: whether columns without a figure in any row stand too.
        """
        named = [(name, *cells_of(figures)) for name, figures in rows]
        columns = (label, *columns_of(kind))
        kept = [
            i for i in range(len(columns)) if whole or not i or any(shown(row[i]) != "-" for row in named)
        ]
        self.add(title, [columns[i] for i in kept], [[row[i] for i in kept] for row in named], note)

    def text(self) -> str:
        """Plain text with aligned columns."""
        parts = [self.title, "  ".join(f"{name}: {shown(value)}" for name, value in self.metadata.items())]
        for table in self.tables:
            cells = [list(table.columns), *([shown(cell) for cell in row] for row in table.rows)]
            widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
            lines = [_aligned(row, widths) for row in cells]
            parts.append("\n".join(["", table.title, *lines, *([table.note] if table.note else [])]))
        return "\n".join(parts) + "\n"

    def markdown(self) -> str:
        """GitHub's Markdown."""
        parts = [f"# {self.title}", ", ".join(f"{name}: {shown(v)}" for name, v in self.metadata.items())]
        for table in self.tables:
            head = f"| {' | '.join(table.columns)} |\n|{'---|' * len(table.columns)}"
            rows = [f"| {' | '.join(shown(cell) for cell in row)} |" for row in table.rows]
            parts.append("\n".join([f"## {table.title}\n", head, *rows]))
            if table.note:
                parts.append(table.note)
        return "\n\n".join(parts) + "\n"

    def csv(self) -> str:
        """One line for each figure: table, row, column, value; none where a value does not exist."""
        file = io.StringIO()
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("table", "row", "column", "value"))
        for table in self.tables:
            for name, *cells in table.rows:
                for column, cell in zip(table.columns[1:], cells, strict=True):
                    if _plain(cell) is not None:
                        lines.writerow((table.title, name, column, cell))
        return file.getvalue()

    def write(self, folder: Path, name: str) -> None:
        """Write ``name``.txt, .md, .csv and .json into ``folder``; numbers that are NaN are null.

        Raises:
            MediaError: a file cannot be written.
        """
        values = {"title": self.title, "facts": self.metadata, "tables": [asdict(t) for t in self.tables]}
        files = {
            "txt": self.text(),
            "md": self.markdown(),
            "csv": self.csv(),
            "json": json.dumps(_plain(values), indent=2, allow_nan=False) + "\n",
        }
        make_folder(folder)
        try:
            for suffix, content in files.items():
                (folder / f"{name}.{suffix}").write_text(content, encoding="utf-8")
        except OSError as error:
            raise MediaError(f"{folder}: cannot be written: {error.strerror or error}") from error


def make_folder(folder: Path) -> None:
    """Make ``folder``; MediaError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{folder}: cannot be made: {error.strerror or error}") from error


def shown(value: Any) -> str:
    """A figure as people read it; a dash for one that does not exist."""
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"
    return str(value)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
