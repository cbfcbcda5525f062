"""Aims: bounds from either side, and where their figures are found."""

from __future__ import annotations

import pytest

from read_core.evaluation.tables.aims import Aim, add_aims, aims_for, aims_of, speaking_aims
from read_core.evaluation.tables.report import Report

LEAST = Aim("high", "Lips", "generated", "open r", 1, 0.75)
MOST = Aim("small", "Lips", "generated", "best lag", -1, 1)
RANGE = Aim("as wide", "Lips", "generated", "open r", 1, 0.7, 1.2)
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
        ("smooth", "at most 1.150", 1.2, "1.0 to 1.3", "**no**"),
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
        (RANGE, 0.7, True),
        (RANGE, 1.2, True),
        (RANGE, 0.69, False),
        (RANGE, 1.21, False),
        (RANGE, float("nan"), False),
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


def talks(*rows: str) -> Report:
    made = report(0.8, 0, 1.0)
    for title in dict.fromkeys(aim.title for aim in speaking_aims("drawn")):
        columns = {aim.column: 1.0 for aim in speaking_aims("drawn") if aim.title == title}
        made.add(title, ("videos", *columns), [(row, *columns.values()) for row in rows])
    return made


def test_a_checkpoint_of_drawn_presenters_alone_keeps_its_aims():
    assert aims_of(talks("drawn"), (128, 128), aligned=False) == aims_for((128, 128))
    assert aims_of(talks("drawn"), (256, 256), aligned=False) == aims_for((256, 256))


def test_aligned_faces_have_aims_of_their_own_for_what_was_measured():
    drawn = aims_of(talks("drawn"), (128, 128), aligned=True)
    assert {aim.row for aim in drawn} == {"drawn"}
    both = talks("photographs", "drawn")
    both.add("Real photographs", ("picture", "least"), [("all", 0.6)])
    aims = aims_of(both, (128, 128), aligned=True)
    assert [aim.row for aim in aims].count("photographs") == len(drawn) == 15
    assert (aims[-1].title, aims[-1].bound) == ("Real photographs", 0.7)


def test_a_report_without_photographs_says_so():
    made = talks("drawn")
    add_aims(made, aims_of(made, (128, 128), aligned=True))
    assert "--faces" in made.tables[0].note
    range_row = next(row for row in made.tables[0].rows if "range" in row[0])
    assert range_row[1:3] == ("0.700 to 1.200", 1.0)
    both = talks("photographs", "drawn")
    add_aims(both, aims_of(both, (128, 128), aligned=True))
    assert "--faces" not in both.tables[0].note
