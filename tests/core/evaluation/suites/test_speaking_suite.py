"""Talks from end to end on a tiny checkpoint with random weights: plumbing, not quality."""

from __future__ import annotations

import pytest
from PIL import Image

from read_core.evaluation.pictures.talk_sheets import PRIVATE, PUBLIC
from read_core.evaluation.suites import speaking_suite
from read_core.evaluation.suites.speaking_suite import SpeakingSize, add_talks
from read_core.evaluation.tables.aims import talk_aims
from read_core.evaluation.tables.report import Report
from read_core.face.alignment import FaceLayout
from read_core.face.finder import Faces

SIZE = SpeakingSize(drawn=1, seeds=2, side=64, real=1, speakers=("babble",))


@pytest.fixture
def nothing_shown(monkeypatch, tmp_path):
    monkeypatch.setattr(speaking_suite, "BLENDS", tmp_path / "none")
    monkeypatch.setattr(speaking_suite, "real_photographs", dict)


def test_without_faces_photographs_are_absent_and_the_report_says_so(aligned_pipe, tmp_path, nothing_shown):
    report = Report("a checkpoint", {})
    talks, real, _ = add_talks(report, aligned_pipe, SIZE, tmp_path, 0)
    assert "--faces" in report.metadata["photographs"]
    assert "install" in report.metadata["real photographs"]
    assert {row[0] for row in report.tables[0].rows} == {
        "drawn", "drawn, as rendered", "drawn, seed 1", "drawn, seed 2", "drawn, babble",
    }  # fmt: skip
    assert real is None
    assert list(talks) == ["drawn"]
    assert len(talk_aims("drawn", talks["drawn"])) == 17
    assert not list(tmp_path.glob("*.png"))


def test_faces_give_rows_and_a_sheet_that_is_not_published(aligned_pipe, tmp_path, faces, nothing_shown):
    report = Report("a checkpoint", {})
    add_talks(report, aligned_pipe, SIZE, tmp_path, 0, faces)
    assert report.metadata["photographs"] == "1 test faces"
    assert "photographs" in {row[0] for row in report.tables[0].rows}
    assert [path.name for path in tmp_path.glob("*.png")] == [PRIVATE]


def test_blended_faces_and_real_people_are_what_may_be_shown(aligned_pipe, tmp_path, faces, monkeypatch):
    def find(image, device=None, finder=None):
        import torch

        points = FaceLayout().points(image.shape[:2]) * torch.tensor([image.shape[1], image.shape[0]])
        return Faces(torch.zeros(1, 4), points[None], torch.ones(1))

    monkeypatch.setattr(aligned_pipe, "find_faces", find)
    monkeypatch.setattr(speaking_suite, "BLENDS", faces)
    pytest.importorskip("matplotlib")
    report = Report("a checkpoint", {})
    add_talks(report, aligned_pipe, SIZE, tmp_path, 0)
    real = next(table for table in report.tables if table.title == "Real photographs")
    assert [row[0] for row in real.rows][:1] == ["Grace Hopper"]
    assert real.rows[-1][0] == "all"
    assert [path.name for path in tmp_path.glob("*.png")] == [PUBLIC]
    rows = len(real.rows) - 1 + 3 * 3
    assert Image.open(tmp_path / PUBLIC).height == rows * (160 + 4)


def test_a_checkpoint_of_drawn_presenters_alone_animates_no_real_photograph(pipe, tmp_path):
    report = Report("a checkpoint", {})
    add_talks(report, pipe, SpeakingSize(drawn=1, seeds=1, side=64, speakers=("babble",)), tmp_path, 0)
    assert "aligned" in report.metadata["real photographs"]
    assert not list(tmp_path.glob("*.png"))
