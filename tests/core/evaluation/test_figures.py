"""Figures become columns and cells, means, and figures again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from read_core.evaluation.figures import cells_of, column, columns_of, mean, mean_figures, part
from read_core.evaluation.metrics.intervals import Estimate
from read_core.evaluation.tables.report import Report


@dataclass(frozen=True)
class Lips:
    opening: float = column("open r")
    width: float = column("width r")


@dataclass(frozen=True)
class Row:
    hidden: str
    count: int = column("count")
    lips: Lips = part(Lips)  # noqa: RUF009
    ratio: Estimate = column("ratio", "95 %")  # noqa: RUF009
    change: Estimate = column("change")  # noqa: RUF009


ROW = Row("", 3, Lips(0.5, 0.25), Estimate(2.0, 1.5, 2.5), Estimate(0.1, -0.1, 0.3))


def test_parts_and_intervals_have_columns_of_their_own():
    assert columns_of(Row) == ("count", "open r", "width r", "ratio", "95 %", "change")
    assert cells_of(ROW) == (3, 0.5, 0.25, 2.0, "1.500 to 2.500", "0.100 (-0.100 to 0.300)")


def test_a_table_without_rows_has_its_columns():
    report = Report("", {})
    report.add_figures("Lips", "video", Lips, [], "a note")
    report.add_figures("Lips", "video", Lips, [("one", Lips(0.5, 0.25))])
    assert [table.columns for table in report.tables] == [("video", "open r", "width r")] * 2
    assert report.tables[0].note == "a note"
    assert report.tables[1].rows == (("one", 0.5, 0.25),)


def test_a_mean_leaves_out_what_does_not_exist():
    assert mean([1.0, float("nan"), 3.0]) == 2
    assert math.isnan(mean([]))
    found = mean_figures([Lips(0.0, float("nan")), Lips(1.0, 0.5)])
    assert found == Lips(0.5, 0.5)
