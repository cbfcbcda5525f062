"""Figures of several seeds, trainings and takes, against their means and Student's t written out."""

from __future__ import annotations

import math
import statistics

import pytest

from read_core.evaluation.comparison import Measured
from read_core.evaluation.metrics.fid import FidFigures
from read_core.evaluation.metrics.intervals import Estimate
from read_core.evaluation.metrics.mouth_track import MouthFigures
from read_core.evaluation.tables.paper import Row, add_paper_table
from read_core.evaluation.tables.report import Report

T2, T1 = 4.30265, 12.7062  # Student's t at 0.975 for two and one degrees of freedom
RECORDINGS = {"a/1": "a", "a/2": "a", "b": "b", "c": "c"}


def mouth(**openings):
    """Openings by take, whose "/" is written "_"; width and rounding are 0."""
    return Measured(
        generated={
            name.replace("_", "/"): MouthFigures(r, 0.0, 0.0, 0.0, 1.0) for name, r in openings.items()
        }
    )


def run(fid, **openings):
    return {"fid": Measured(FidFigures(fid, 10, 10)), "mouth": mouth(**openings)}


def estimate(figure: float | Estimate) -> Estimate:
    """A figure that has an interval."""
    assert isinstance(figure, Estimate)
    return figure


def test_recordings_are_the_cases_of_videos_and_seeds_those_of_sets():
    ours = Row(
        "ours",
        [[run(10.0, a_1=0.2, a_2=0.4, b=0.5, c=0.9), run(14.0, a_1=0.4, a_2=0.6, b=0.7, c=0.9)]],
        RECORDINGS,
    )
    theirs = Row("theirs", [[run(11.0, a_1=0.1, b=0.3, c=0.5), run(16.0, a_1=0.1, b=0.3)]], RECORDINGS)
    report = Report("", {})
    first, second = add_paper_table(report, "Table", "way", [ours, theirs], {}, "seen")
    values = [0.4, 0.6, 0.9]  # a: the mean of two takes and two seeds
    opening, fid_of_ours = estimate(first.opening), estimate(first.fid)
    assert opening.value == pytest.approx(statistics.mean(values))
    reach = T2 * statistics.stdev(values) / math.sqrt(3)
    assert opening.high - opening.value == pytest.approx(reach, rel=1e-4)
    assert fid_of_ours.value == 12
    assert fid_of_ours.high - 12 == pytest.approx(T1 * statistics.stdev([10, 14]) / math.sqrt(2), rel=1e-4)
    assert math.isnan(estimate(first.network).value)
    assert estimate(second.opening).value == pytest.approx(statistics.mean([0.1, 0.3, 0.5]))
    table, differences = report.tables
    assert [row[0] for row in table.rows] == ["ours", "theirs", "the real videos"]
    assert table.columns == ("way", "FID", "open r", "width, round r", "range")  # nothing else was measured
    place = table.columns.index("open r")
    apart = [0.1 - 0.4, 0.3 - 0.6, 0.5 - 0.9]
    reach = T2 * statistics.stdev(apart) / math.sqrt(3)
    center = statistics.mean(apart)
    assert differences.rows[0][0] == "theirs, less ours"
    assert differences.rows[0][place] == f"{center:.3f} ({center - reach:.3f} to {center + reach:.3f})"
    fid = table.columns.index("FID")
    assert str(differences.rows[0][fid]).startswith("1.500 (")  # 1 and 2, seed by seed


def test_trainings_are_averaged_and_stand_in_rows_of_their_own():
    row = Row("twice", [[run(10.0, a_1=0.2, b=0.4)], [run(20.0, a_1=0.4, b=0.8)]], RECORDINGS)
    report = Report("", {})
    (found,) = add_paper_table(report, "Table", "way", [row], {}, "")
    assert estimate(found.fid).value == 15
    assert estimate(found.opening).value == pytest.approx(0.45)
    (table,) = report.tables
    assert [r[0] for r in table.rows[:3]] == ["twice", "twice, training 1", "twice, training 2"]
    place = table.columns.index("FID")
    assert [r[place] for r in table.rows[:3]] == ["15.000", "10.000", "20.000"]


def test_videos_made_once_are_compared_with_the_mean_over_seeds_without_an_interval():
    ours = Row("ours", [[run(10.0, b=0.2), run(14.0, b=0.2)]], RECORDINGS)
    other = Row("other", [[run(15.0, b=0.6)]], RECORDINGS)
    report = Report("", {})
    add_paper_table(report, "Table", "way", [ours, other], {}, "")
    differences = report.tables[1]
    assert differences.rows[0][differences.columns.index("FID")] == "3.000"
    assert differences.rows[0][differences.columns.index("open r")] == "0.400"


def test_the_real_videos_have_a_row_of_what_is_measured_of_them():
    real = {
        "mouth": Measured(real={"b": MouthFigures(0.5, 0, 0, 0, 1.0), "c": MouthFigures(1.0, 0, 0, 0, 1.0)})
    }
    report = Report("", {})
    add_paper_table(report, "Table", "way", [Row("ours", [[run(1.0, b=0.2)]], RECORDINGS)], real, "")
    table = report.tables[0]
    assert table.rows[-1][table.columns.index("open r")] == 0.75
    assert math.isnan(float(table.rows[-1][table.columns.index("FID")]))
