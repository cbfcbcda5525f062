"""What the project asks of read-tiny, beside what a report found: the first table of the suite ``tiny``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..material.talks import DRAWN, PHOTOGRAPHS
from ..suites.real import ALL, REAL
from .report import Cell, Report, Table, shown
from .seams import ANS
from .speaking import CODEC, LIPS, REST


@dataclass(frozen=True)
class Aim:
    """A bound on one figure of a report: ``row`` (its first cell) and ``column`` of the table ``title``.

    ``sign`` 1 asks for at least ``bound``, -1 for at most; of the figure's amount where it is signed. With
    ``most`` the figure must lie from ``bound`` to ``most``.
    """

    what: str
    title: str
    row: str
    column: str
    sign: int
    bound: float
    most: float | None = None

    def met_by(self, value: float) -> bool:
        """Whether ``value`` keeps to the bound; NaN does not."""
        if self.most is not None:
            return self.bound <= value <= self.most
        amount = abs(value) if self.sign < 0 else value
        return self.sign * amount >= self.sign * self.bound

    @property
    def asked(self) -> str:
        """As "at least 0.700" or "0.700 to 1.200"."""
        if self.most is not None:
            return f"{shown(self.bound)} to {shown(self.most)}"
        return f"{'at least' if self.sign > 0 else 'at most'} {shown(self.bound)}"


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
"""Of a checkpoint of drawn presenters alone, at 128 x 128, for what a CPU trains."""
LARGE = 256
LARGE_BOUNDS = {
    ("Lips", "open r"): 0.8,
    ("Pictures", "PSNR (dB)"): 31.0,
    ("Pictures", "mouth box (dB)"): 27.0,
}
"""By title and column, what is asked instead from ``LARGE`` pixels on, for what a GPU trains."""

_NOTE = "What the project asks of its small checkpoint, more from 256 pixels on; the tables below explain."
_ABSENT = " Photographs were not measured, and so none of their aims: give a folder of portraits as --faces."
REAL_AIM = Aim("real photographs: every mouth opens with the speech (r)", REAL, ALL, "least", 1, 0.7)


def speaking_aims(kind: str) -> tuple[Aim, ...]:
    """What is asked of talks of a kind by a checkpoint of aligned faces, see ``speaking_tables``."""
    return (
        Aim(f"{kind}: the mouth opens with the speech (r)", LIPS, kind, "open r", 1, 0.8),
        Aim(f"{kind}: of every face (r)", LIPS, kind, "least face", 1, 0.6),
        Aim(f"{kind}: it widens with the speech (r)", LIPS, kind, "width r", 1, 0.5),
        Aim(f"{kind}: it rounds with the speech (r)", LIPS, kind, "round r", 1, 0.6),
        Aim(f"{kind}: it opens as wide (share of the truth's range)", LIPS, kind, "range", 1, 0.7, 1.2),
        Aim(f"{kind}: p, b, m closed within a frame (share)", LIPS, kind, "p b m shut", 1, 0.7),
        Aim(f"{kind}: that above chance (share)", LIPS, kind, "above chance", 1, 0.25),
        Aim(f"{kind}: opening in pauses (share of its range)", LIPS, kind, "opening in pauses", -1, 0.1),
        Aim(f"{kind}: blinks (share of the truth's)", REST, kind, "blinks, of the truth", 1, 0.5, 1.5),
        Aim(f"{kind}: an eye fades (share of open-eye frames)", REST, kind, "faded eyes", -1, 0.05),
        Aim(f"{kind}: head motion (share of the truth's)", REST, kind, "head", 1, 0.6),
        Aim(f"{kind}: codec after detail (dB)", CODEC, kind, "whole (dB)", 1, 31),
        Aim(f"{kind}: its mouths (dB)", CODEC, kind, "mouth (dB)", 1, 26),
        Aim(f"{kind}: its eyes (dB)", CODEC, kind, "eyes (dB)", 1, 31),
        Aim(f"{kind}: clips meet as latents do (ratio)", REST, kind, "clips / latents", -1, 1.1),
    )


def aims_of(report: Report, resolution: tuple[int, int], aligned: bool) -> tuple[Aim, ...]:
    """The aims for a checkpoint of that height and width.

    Args:
        report: has all tables; what it did not measure for want of pictures is not asked.
        resolution: height and width of the checkpoint.
        aligned: whether its card has the layout of aligned faces; without it, today's aims stay.
    """
    if not aligned:
        return aims_for(resolution)
    rows = {(table.title, row[0]) for table in report.tables for row in table.rows}
    kinds = [kind for kind in (PHOTOGRAPHS, DRAWN) if (LIPS, kind) in rows]
    real = (REAL_AIM,) if (REAL, ALL) in rows else ()
    return (*(aim for kind in kinds for aim in speaking_aims(kind)), *real)


def aims_for(resolution: tuple[int, int]) -> tuple[Aim, ...]:
    """The aims for a checkpoint of drawn presenters alone, of that height and width."""
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
    asked = {aim.row for aim in aims}
    absent = _ABSENT if DRAWN in asked and PHOTOGRAPHS not in asked else ""
    report.add(
        "Aims",
        ("aim", "asked", "found", "95 %", "met"),
        rows,
        f"{_NOTE}{absent}",
    )
    report.tables.insert(0, report.tables.pop())


def _row(aim: Aim, table: Table) -> tuple[Cell, ...]:
    cells = {row[0]: row for row in table.rows}[aim.row]
    place = table.columns.index(aim.column)
    value = cells[place]
    follows = table.columns[place + 1] if place + 1 < len(table.columns) else ""
    interval = cells[place + 1] if follows == "95 %" else "-"
    return (aim.what, aim.asked, value, interval, "yes" if aim.met_by(float(value)) else "**no**")
