"""Aims: bounds from either side, and where their figures are found."""

from __future__ import annotations

import pytest

from read_core.evaluation.aims import Aim, add_aims, aims_for
from read_core.evaluation.report import Report

LEAST = Aim("high", "Lips", "generated", "open r", 1, 0.75)
MOST = Aim("small", "Lips", "generated", "best lag", -1, 1)
SEAMS = Aim("smooth", "Seams", "with", "ratio", -1, 1.15)


def report(opening: float, lag: float, ratio: float) -> Report:
    made = Report("a checkpoint", {})
    made.add("Lips", ("videos", "open r", "best lag"), [("drawn", 1.0, 0), ("generated", opening, lag)])
    made.add("Seams", ("videos", "ratio", "95 %"), [("with", ratio, "1.0 to 1.3")])
    return made


def test_the_table_comes_first_and_says_what_was_found():
    made = report(0.8, -1, 1.2)
    add_aims(made, (LEAST, MOST, SEAMS))
    assert [table.title for table in made.tables] == ["Aims", "Lips", "Seams"]
    assert made.tables[0].rows == (
        ("high", "at least 0.750", 0.8, "-", "yes"),
        ("small", "at most 1", -1, "-", "yes"),
        ("smooth", "at most 1.150", 1.2, "1.0 to 1.3", "no"),
    )


@pytest.mark.parametrize(
    ("aim", "value", "met"),
    [
        (LEAST, 0.75, True),
        (LEAST, 0.74, False),
        (LEAST, -0.9, False),
        (LEAST, float("nan"), False),
        (MOST, 1, True),
        (MOST, 2, False),
        (MOST, -2, False),
        (MOST, float("nan"), False),
    ],
)
def test_bounds(aim, value, met):
    assert aim.met_by(value) is met


@pytest.mark.parametrize("change", [{"title": "Teeth"}, {"row": "nobody"}])
def test_an_aim_without_its_figure_is_an_error(change):
    aim = Aim(**{**vars(LEAST), **change})
    with pytest.raises(KeyError):
        add_aims(report(0.8, 0, 1.0), (aim,))


def test_more_is_asked_from_256_pixels_on():
    small, large = ({aim.what: aim.bound for aim in aims_for(size)} for size in ((192, 320), (256, 256)))
    changed = {what: (small[what], large[what]) for what in small if small[what] != large[what]}
    assert changed == {
        "the mouth opens with the speech (r)": (0.75, 0.8),
        "the codec's pictures (dB)": (28.0, 31.0),
        "the codec's mouths (dB)": (24.0, 27.0),
    }
