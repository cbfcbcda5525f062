"""The comparison with another package's reader, and what is never published."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from read_core.evaluation.pictures.talk_sheets import PRIVATE, PUBLIC


@pytest.fixture(scope="module")
def outside():
    return import_module("outside_frames")


def write(folder, name, ours, theirs, track):
    np.savez(folder / f"{name}.npz", opening=ours, track=track, frames=np.zeros(0, np.uint8))
    np.save(folder / f"{name}.outside.npy", theirs)


def test_both_readings_are_held_against_the_track(outside, tmp_path, capsys):
    time = np.linspace(0, 12, 100, dtype=np.float32)
    track = np.sin(time)
    theirs = 0.2 * track + 0.1
    theirs[[3, 50]] = np.nan
    write(tmp_path, "generated-a", 2 * track, theirs, track)
    assert outside.main(["compare", str(tmp_path)]) == 0
    assert "generated, mean of 1" in capsys.readouterr().out
    assert "| generated-a |" in (tmp_path / "outside.md").read_text(encoding="utf-8")
    found = outside.compare_folder(tmp_path)["generated-a"]
    assert (found.ours, found.theirs, found.both) == pytest.approx((1, 1, 1))
    assert found.lost == pytest.approx(0.02)
    write(tmp_path, "real-b", np.cos(time), track, track)
    assert outside.main(["compare", str(tmp_path)]) == 1
    assert "**no**" in capsys.readouterr().out


def test_the_range_is_that_of_the_talk_as_rendered_and_aims_are_of_what_was_read(outside, tmp_path):
    track = np.sin(np.linspace(0, 12, 100, dtype=np.float32))
    write(tmp_path, "rendered-a", track, 0.4 * track, track)
    write(tmp_path, "coded-a", track, 0.3 * track, track)
    found = outside.compare_folder(tmp_path)
    assert found["coded-a"].span == pytest.approx(0.75)
    assert math.isnan(found["rendered-a"].span)
    report, agree = outside.report_of(found)
    assert agree
    assert [row[-1] for row in report.tables[0].rows] == ["yes", "**no**"]
    write(tmp_path, "real-b", track, -track, track)
    report, agree = outside.report_of(outside.compare_folder(tmp_path))
    assert not agree
    assert [(row[0].split(":")[0], row[-1]) for row in report.tables[0].rows][2:] == [
        ("real photographs", "**no**")
    ]


def test_a_reader_that_finds_no_face_does_not_agree(outside):
    track = torch.linspace(0, 1, 20)
    assert not outside.compare(track, torch.full((20,), float("nan")), track).agree
    half = track.clone()
    half[:10] = float("nan")
    assert not outside.compare(track, half, track).agree


def test_a_folder_without_readings_is_an_error(outside, tmp_path, capsys):
    assert outside.main(["compare", str(tmp_path)]) == 2
    assert "outside_read" in capsys.readouterr().err


def test_the_gap_is_that_of_the_inner_lips_by_the_eyes():
    points = np.zeros((478, 2))
    for corner, x in zip((33, 133, 362, 263), (10, 20, 40, 50), strict=True):
        points[corner] = x, 30
    points[13], points[14] = (30, 60), (30, 66)
    gap = import_module("outside_read").gap
    assert gap(points) == pytest.approx(0.2)
    turn = np.array([[math.cos(0.5), -math.sin(0.5)], [math.sin(0.5), math.cos(0.5)]])
    assert gap(3 * points @ turn.T) == pytest.approx(0.2)


def test_the_sheet_of_single_portraits_is_never_published():
    pictures = import_module("publish_figures").PICTURES
    assert PUBLIC in {Path(source).name for source in pictures}
    assert not any(Path(source).name == PRIVATE for source in pictures)
