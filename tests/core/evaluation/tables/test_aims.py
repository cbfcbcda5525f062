"""Aims: bounds from either side, and which are asked of what was measured."""

from __future__ import annotations

import pytest

from read_core.evaluation.metrics.codec_detail import Coded
from read_core.evaluation.metrics.intervals import Estimate
from read_core.evaluation.metrics.seams import SeamScore
from read_core.evaluation.metrics.sync import LipFigures
from read_core.evaluation.suites.real import RealFigures
from read_core.evaluation.tables.aims import Aim, Found, add_aims, aligned_aims, presenter_aims
from read_core.evaluation.tables.codec import CodecFigures
from read_core.evaluation.tables.identity import IdentityFigures
from read_core.evaluation.tables.report import Report
from read_core.evaluation.tables.seams import AnsSeams, SeamFigures, StillFigures
from read_core.evaluation.tables.speaking import TalkCodec, TalkFigures, TalkLips, TalkRest

ONE = Estimate(1.0)
TALK = TalkFigures(
    TalkLips(2, Estimate(0.9, 0.8, 1.0), 0.7, 0.6, 0.7, ONE, 40, 0.8, 0.5, 0.3, 0.05),
    TalkRest(2, 20.0, 1.6, 0.01, 0.95, ONE, Estimate(1.2, 1.0, 1.3)),
    TalkCodec(2, Coded(32.0, 27.0, 30.0, 0.9, 0.9, 0.9, 1.0, 0.2, 0.2)),
)
REAL = RealFigures(6, 0.9, 0.65, 0.5, 0.5, 0.8, 0.1, 15.0, 0.0)


def found(talks: dict[str, TalkFigures] | None = None, lag: int = 0) -> Found:
    """Figures that keep to the bounds at 128 pixels but for those of :data:`TALK`."""
    seams = SeamFigures(2, SeamScore(1.0, 1.0, 1.0), ONE, Estimate(1.1, 1.0, 1.3), ONE)
    return Found(
        LipFigures(lag, 2, 0.78, 0.6, 0.6, 0.6, 0.05, 0.1, 40, 0.8, 0.4, 0.9, 0.05),
        CodecFigures(2, 29.0, 25.0, 24.0, 0.9, 0.9, 0.9, 0.1),
        AnsSeams(seams, StillFigures(seams, ONE)),
        IdentityFigures(6, Estimate(1.0, 0.9, 1.0), 2.0, 9.0, 0.9, 1.0, 1.0, 1.0, 1.0),
        talks or {},
        REAL if talks else None,
    )


def test_the_table_comes_first_and_says_what_was_found():
    report = Report("a checkpoint", {})
    report.add("Lips", ("videos",), [("drawn",)])
    add_aims(report, found(lag=-2), (128, 128), aligned=False)
    assert [table.title for table in report.tables] == ["Aims", "Lips"]
    table = report.tables[0]
    assert table.columns == ("aim", "asked", "found", "95 %", "met")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["the mouth opens with the speech (r)"] == ("at least 0.750", 0.78, "-", "yes")
    assert rows["lips in time (frames)"] == ("at most 1", -2, "-", "**no**")
    assert rows["clips meet as frames do (ratio)"] == ("at most 1.150", 1.1, "1.000 to 1.300", "yes")
    assert [name for name, row in rows.items() if row[-1] != "yes"] == ["lips in time (frames)"]


@pytest.mark.parametrize(
    ("bounds", "value", "met"),
    [
        ({"least": 0.75}, 0.75, True),
        ({"least": 0.75}, 0.74, False),
        ({"least": 0.75}, -0.9, False),
        ({"least": 0.75}, float("nan"), False),
        ({"most": 1}, 1, True),
        ({"most": 1}, Estimate(2), False),
        ({"most": 1}, -2, False),
        ({"most": 1}, float("nan"), False),
        ({"least": 0.7, "most": 1.2}, Estimate(0.7), True),
        ({"least": 0.7, "most": 1.2}, 1.2, True),
        ({"least": 0.7, "most": 1.2}, 0.69, False),
        ({"least": 0.7, "most": 1.2}, 1.21, False),
        ({"least": 0.7, "most": 1.2}, float("nan"), False),
    ],
)
def test_bounds(bounds, value, met):
    assert Aim("", value, **bounds).met is met


def test_more_is_asked_from_256_pixels_on():
    small, large = (
        {aim.what: aim.least for aim in presenter_aims(found(), size)} for size in ((192, 320), (256, 256))
    )
    changed = {what: (small[what], large[what]) for what in small if small[what] != large[what]}
    assert changed == {
        "the mouth opens with the speech (r)": (0.75, 0.8),
        "the codec's pictures (dB)": (28.0, 31.0),
        "the codec's mouths (dB)": (24.0, 27.0),
    }


def test_aligned_faces_have_aims_for_what_was_measured():
    drawn = aligned_aims(found({"drawn": TALK}))
    assert [aim.what.split(":")[0] for aim in drawn] == ["drawn"] * 17 + ["real photographs"]
    both = aligned_aims(found({"drawn": TALK, "photographs": TALK}))
    assert len(both) == 35
    assert both[0].what.startswith("photographs: ")
    assert (both[-1].value, both[-1].met) == (0.65, False)
    missed = {aim.what.split(": ")[1] for aim in drawn if not aim.met}
    assert missed == {
        "blinks (share of the truth's)", "its eyes (dB)", "clips meet as latents do (ratio)",
        "every mouth opens with the speech (r)",
    }  # fmt: skip


def test_a_report_without_photographs_says_so():
    for talks, told in (({"drawn": TALK}, True), ({"drawn": TALK, "photographs": TALK}, False)):
        report = Report("a checkpoint", {})
        add_aims(report, found(talks), (128, 128), aligned=True)
        assert ("--faces" in report.tables[0].note) is told
    row = next(row for row in report.tables[0].rows if "opens as wide" in str(row[0]))
    assert row[1:3] == ("0.700 to 1.200", 1.0)
