"""Figures of the detail step on a video whose eyes, mouth and motion are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from read_core.detail import DetailRestorer
from read_core.evaluation.suites.detail import (
    DetailVideo,
    add_detail,
    detail_figures,
    detail_forms,
    milliseconds,
)
from read_core.evaluation.tables.report import Report

EYES = torch.tensor([[12.0, 16, 24, 24], [40, 16, 52, 24]])
MOUTH = torch.tensor([24.0, 40, 40, 52])


@pytest.fixture(scope="module")
def video() -> DetailVideo:
    """Six frames: the mouth opens, the lids close, the rest hardly changes."""
    generator = torch.Generator().manual_seed(0)
    portrait = torch.rand(64, 64, 3, generator=generator)
    true = portrait.repeat(6, 1, 1, 1)
    opening = torch.tensor([0, 0.2, 0.6, 1.0, 0.4, 0.0])
    for index, value in enumerate(opening.tolist()):
        true[index, 42 : 42 + int(10 * value), 26:38] = 0
    blink = torch.tensor([0, 0, 0, 0.5, 1, 0])
    true[4, 16:24, 12:24] = true[4, 16:24, 40:52] = 0.6
    true[1::2, :8] += 1 / 255
    small = F.avg_pool2d(true.movedim(-1, 1), 2).movedim(1, -1)
    return DetailVideo(true, small, small[0], MOUTH.repeat(6, 1), EYES.repeat(6, 1, 1), opening, blink)


def test_the_truth_is_perfect(video):
    found = detail_figures(video.true, video)
    assert [found.whole, found.mouth, found.open_eyes, found.closed_eyes, found.worst] == [100.0] * 5
    ones = [found.contrast, found.mouth_kept, found.lids_kept, found.flicker]
    assert ones == pytest.approx([1] * 4, abs=1e-5)
    assert found.still == 0


def test_the_portrait_repeated_keeps_no_change(video):
    found = detail_figures(video.true[:1].expand(6, -1, -1, -1), video)
    assert found.mouth_kept == found.lids_kept == 0
    assert found.open_eyes == 100
    assert found.mouth < 20
    assert found.closed_eyes < 20
    assert found.flicker == 0


def test_decibels_are_those_of_the_places(video):
    frames = video.true.clone()
    frames[:, 16:24, 12:24] += 0.1  # the one eye: half of the pixels of the eyes
    found = detail_figures(frames, video)
    half = -10 * math.log10(0.1**2 / 2)
    assert found.open_eyes == pytest.approx(half, abs=1e-3)
    assert found.closed_eyes == pytest.approx(half, abs=1e-3)
    assert found.mouth == 100
    assert found.whole == pytest.approx(-10 * math.log10(0.1**2 * 96 / 64**2), abs=1e-3)


def test_contrast_and_flicker_scale_with_the_picture(video):
    frames = 0.5 * video.true + 0.2
    found = detail_figures(frames, video)
    assert found.contrast == pytest.approx(0.5, abs=1e-4)
    assert found.flicker == pytest.approx(0.5, abs=1e-4)


def test_what_a_video_does_not_have_is_left_open(video):
    blind = replace(video, eyes=torch.zeros(6, 2, 4), blink=torch.zeros(6))
    found = detail_figures(blind.true, blind)
    assert all(map(math.isnan, (found.open_eyes, found.closed_eyes, found.contrast, found.lids_kept)))
    assert found.mouth == 100
    assert blind.points is None


def test_points_are_the_middles_of_the_portrait_s_boxes(video):
    expected = torch.tensor([[18.0, 20], [46, 20], [32, 46]]) / 64
    torch.testing.assert_close(video.points, expected)


def test_the_table_has_a_row_for_every_form(video):
    report = Report("detail", {})
    forms = detail_forms()
    add_detail(report, [video, video], forms)
    table = report.tables[0]
    assert [row[0] for row in table.rows] == list(forms)
    assert all(row[1] == 2 for row in table.rows)
    cubic, best = (float(table.rows[i][2]) for i in (0, -2))
    assert best > cubic + 4  # the portrait's grain is noise that no enlarging finds


def test_a_frame_takes_time():
    assert milliseconds(DetailRestorer(), 64, 32, rounds=1) > 0
