"""Lips and faces of the same videos made in several ways stand in one table, with what sets them apart."""

from __future__ import annotations

import pytest

from read_core.evaluation.material.gallery import draw_gallery
from read_core.evaluation.material.videos import Video
from read_core.evaluation.tables.report import Report
from read_core.evaluation.tables.variants import Marks, add_variants, mark


@pytest.mark.corpus
def test_lips_and_face_of_a_video(sample):
    gallery = draw_gallery(sample, 6)
    true = mark(Video(sample.frames, sample.mouth, 0.0), sample, gallery, 4)
    assert (true.opening, true.width, true.rounding) == pytest.approx((1, 1, 1))
    assert true.recognized == 1
    mouth, frames = sample.mouth.clone(), sample.frames
    mouth[:, 0] *= -1
    mouth[:, 1] = 0
    frames[25:] *= 0.2
    spoiled = mark(Video(frames, mouth, 0.0), sample, gallery, 4)
    assert (spoiled.opening, spoiled.width, spoiled.rounding) == pytest.approx((-1, 0, 1))
    assert spoiled.recognized == 0.5
    assert spoiled.own > true.own + 20


def test_the_first_way_is_compared_with_the_others_video_by_video():
    report = Report("", {})
    first = [Marks(0.8, 0.6, 0.5, 1.0, 10.0), Marks(0.6, 0.6, 0.3, 1.0, 14.0)]
    other = [Marks(0.5, 0.6, 0.5, 0.5, 10.0), Marks(0.5, 0.6, 0.4, 1.0, 20.0)]
    add_variants(report, {"one": first, "two": other})
    rows = {row[0]: row for row in report.tables[0].rows}
    assert list(rows) == ["one", "two", "one, less two"]
    assert rows["one"][1:] == pytest.approx((2, 0.7, 0.6, 0.4, 1.0, 12.0))
    assert rows["two"][1:] == pytest.approx((2, 0.5, 0.6, 0.45, 0.75, 15.0))
    less = rows["one, less two"][2:]
    assert [float(str(cell).split()[0]) for cell in less] == pytest.approx([0.2, 0, -0.05, 0.25, -3])
    reach = 12.7062 * 0.1  # Student's t of two differences, 0.3 and 0.1
    assert less[0] == f"0.200 ({0.2 - reach:.3f} to {0.2 + reach:.3f})"
