"""Tables of talks: means over faces and seeds, pooled shares, and groups."""

from __future__ import annotations

import math

import pytest

from read_core.evaluation.metrics.codec_detail import Coded
from read_core.evaluation.metrics.seams import SeamScore
from read_core.evaluation.metrics.sync import ShutCases, SyncScore
from read_core.evaluation.suites.speaking import Speaking
from read_core.evaluation.suites.talk_results import TalkResult
from read_core.evaluation.tables import speaking as tables
from read_core.evaluation.tables.report import Report


def video(opening=0.8, blinks=2, faded=10, span=0.9, head=0.02):
    cases = ShutCases(hits=7, closures=10, near=40, spoken=100, shut=5, silent=10, opening=0.5)
    sync = SyncScore(opening, 0.5, 0.6, 0, float("nan"), cases)
    return Speaking(250, sync, span, blinks, 4, faded, 200, head, 0.04, SeamScore(1.1, 1.0, 0.9), 0.95)


def spoken(name, *videos, kind="photographs", synthesizer="espeak"):
    coded = Coded(31.0, 26.0, 30.0, 0.9, 0.6, 0.7, 0.8, 0.3, 0.2)
    face = f"{name}.jpg" if kind == "photographs" else ""
    return TalkResult(name, kind, face, synthesizer, video(1.0), coded, videos)


@pytest.fixture
def report():
    made = Report("a checkpoint", {})
    faces = [spoken("a", video(0.9), video(0.7)), spoken("b", video(0.5), video(0.5, 0), synthesizer="flite")]
    faces.append(spoken("c", video(0.6), video(0.8), kind="drawn"))
    tables.add_speaking(made, faces, 256, {})
    return {
        table.title: {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
        for table in made.tables
    }


def test_a_face_s_figure_is_the_mean_of_its_seeds(report):
    lips = report[tables.LIPS]
    assert lips["photographs"]["open r"] == pytest.approx(0.65)
    assert lips["photographs"]["least face"] == pytest.approx(0.5)
    assert lips["photographs, seed 2"]["open r"] == pytest.approx(0.6)
    assert lips["photographs, flite"]["faces"] == 1
    assert lips["photographs, as rendered"]["open r"] == 1
    assert lips["drawn"]["open r"] == pytest.approx(0.7)


def test_closures_blinks_and_faded_eyes_are_of_all_videos_together(report):
    lips, rest = report[tables.LIPS]["photographs"], report[tables.REST]["photographs"]
    assert (lips["p b m"], lips["p b m shut"], lips["by chance"]) == (40, 0.7, 0.4)
    assert lips["above chance"] == pytest.approx(0.3)
    assert lips["opening in pauses"] == pytest.approx(0.05)
    assert rest["blinks, of the truth"] == pytest.approx(6 / 16)
    assert rest["blinks a minute"] == pytest.approx(6 / (4 * 10 / 60))
    assert rest["faded eyes"] == pytest.approx(0.05)
    assert rest["contrast"] == pytest.approx(0.95)
    assert rest["head"] == pytest.approx(0.5)
    assert rest["clips / latents"] == pytest.approx(1.1)
    assert report[tables.CODEC]["photographs"]["eyes (dB)"] == 30


def test_shares_of_nothing_are_no_figure():
    assert math.isnan(tables.blink_share([]))
    assert math.isnan(tables.faded_share([]))


def test_groups_of_twelve_have_their_row_and_faces_without_labels_are_counted():
    made = Report("a checkpoint", {})
    faces = [spoken(str(index), video(0.5 + index / 100)) for index in range(25)]
    labels = {f"{index}.jpg": {"skin": "dark" if index < 12 else "light"} for index in range(23)}
    tables.add_speaking(made, faces, 256, labels)
    groups = next(table for table in made.tables if table.title == tables.GROUPS)
    assert [row[:2] for row in groups.rows] == [("skin: dark", 12)]
    mean, interval = groups.rows[0][2:4]
    assert mean == pytest.approx(0.555)
    low, high = map(float, str(interval).split(" to "))
    # Student's interval of 0.50, 0.51 .. 0.61: 2.201 x 0.0361 / sqrt(12)
    assert (low, high) == pytest.approx((0.555 - 0.0229, 0.555 + 0.0229), abs=1e-3)
    assert "2 of 25 faces" in groups.note
