"""What the project asks of read-tiny, beside what a report found: the first table of the suite ``tiny``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .report import Cell, Report, Table, shown
from .seam_tables import ANS


@dataclass(frozen=True)
class Aim:
    """A bound on one figure of a report: ``row`` (its first cell) and ``column`` of the table ``title``.

    ``sign`` 1 asks for at least ``bound``, -1 for at most; of the figure's amount where it is signed.
    """

    what: str
    title: str
    row: str
    column: str
    sign: int
    bound: float

    def met_by(self, value: float) -> bool:
        """Whether ``value`` keeps to the bound; NaN does not."""
        amount = abs(value) if self.sign < 0 else value
        return self.sign * amount >= self.sign * self.bound


AIMS = (
    Aim("the mouth opens with the speech (r)", "Lips", "generated", "open r", 1, 0.75),
    Aim("in every video (r)", "Lips", "generated", "least", 1, 0.5),
    Aim("it widens with the speech (r)", "Lips", "generated", "width r", 1, 0.5),
    Aim("it rounds with the speech (r)", "Lips", "generated", "round r", 1, 0.5),
    Aim("lips in time (frames)", "Lips", "generated", "best lag", -1, 1),
    Aim("another recording explains nothing (r)", "Lips", "generated", "shuffled r", -1, 0.1),
    Aim("mouth closed in silence (share of its range)", "Lips", "generated", "opening in silence", -1, 0.1),
    Aim("p, b, m closed within a frame (share)", "Lips", "generated", "p b m shut", 1, 0.7),
    Aim("the codec's pictures (dB)", "Pictures", "VAE", "PSNR (dB)", 1, 28.0),
    Aim("the codec's mouths (dB)", "Pictures", "VAE", "mouth box (dB)", 1, 24.0),
    Aim("clips meet as frames do (ratio)", "Seams", ANS, "clips / inside", -1, 1.15),
    Aim("latents meet as frames do (ratio)", "Seams", ANS, "latents / inside", -1, 1.15),
    Aim(
        "the background holds still (by what the codec leaves)",
        "Seams in the still background", ANS, "inside / inside through the VAE", -1, 2.0,
    ),
    Aim("nearest face is its own (share of clips)", "Identity", "generated", "nearest is its own", 1, 0.95),
)  # fmt: skip
"""At 128 x 128, for what a CPU trains."""
LARGE = 256
LARGE_BOUNDS = {
    ("Lips", "open r"): 0.8,
    ("Pictures", "PSNR (dB)"): 31.0,
    ("Pictures", "mouth box (dB)"): 27.0,
}
"""By title and column, what is asked instead from ``LARGE`` pixels on, for what a GPU trains."""


def aims_for(resolution: tuple[int, int]) -> tuple[Aim, ...]:
    """The aims for a checkpoint of that height and width."""
    if min(resolution) < LARGE:
        return AIMS
    return tuple(replace(aim, bound=LARGE_BOUNDS.get((aim.title, aim.column), aim.bound)) for aim in AIMS)


def add_aims(report: Report, aims: Sequence[Aim]) -> None:
    """Put a table of the aims before all others.

    Raises:
        KeyError: the report lacks a table or row of an aim.
        ValueError: the table lacks its column.
    """
    tables = {table.title: table for table in report.tables}
    rows = [_row(aim, tables[aim.title]) for aim in aims]
    report.add(
        "Aims",
        ("aim", "asked", "found", "95 %", "met"),
        rows,
        "What the project asks of its small checkpoint, more from 256 pixels on; the tables below explain.",
    )
    report.tables.insert(0, report.tables.pop())


def _row(aim: Aim, table: Table) -> tuple[Cell, ...]:
    cells = {row[0]: row for row in table.rows}[aim.row]
    place = table.columns.index(aim.column)
    value = cells[place]
    follows = table.columns[place + 1] if place + 1 < len(table.columns) else ""
    interval = cells[place + 1] if follows == "95 %" else "-"
    asked = f"{'at least' if aim.sign > 0 else 'at most'} {shown(aim.bound)}"
    return (aim.what, asked, value, interval, "yes" if aim.met_by(float(value)) else "no")
