"""The tables of seams: which videos they count, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.cast import Cast
from read_core.evaluation.report import Report
from read_core.evaluation.seam_tables import ANS, INDEPENDENT, add_seams
from read_core.evaluation.videos import Setting, Studio
from read_core.pipeline import ReadPipeline


@pytest.mark.corpus
def test_a_video_without_a_still_pixel_is_left_out_of_the_still_background(pipe, sample):
    restless = replace(sample, pixels=torch.randint(256, sample.pixels.shape, dtype=torch.uint8))
    report = Report("", {})
    add_seams(report, Cast(Studio(pipe), [restless], Setting()), 1)
    everywhere, still, _ = report.tables
    assert {row[1] for row in everywhere.rows} == {1}
    assert {row[1] for row in still.rows} == {0}


@pytest.mark.corpus
def test_the_ratio_is_that_of_the_two_rows_above(pipe, sample):
    report = Report("", {})
    add_seams(report, Cast(Studio(pipe), [sample], Setting()), 1)
    everywhere, _, ratios = report.tables
    rows = {row[0]: row for row in everywhere.rows}
    jump, seam = ratios.rows[0][3], ratios.rows[0][5]
    assert jump == pytest.approx(rows[ANS][2] / rows[INDEPENDENT][2])
    assert seam == pytest.approx(rows[ANS][6] / rows[INDEPENDENT][6])
    assert rows[ANS][6] == pytest.approx(rows[ANS][2] / rows[ANS][4])
    assert ratios.rows[0][4] == "-"  # a single video


def test_a_checkpoint_whose_clips_lie_elsewhere_is_not_compared(tiny_components):
    pipe = ReadPipeline(tiny_components)
    longer = replace(tiny_components, defaults=replace(tiny_components.defaults, window=5))
    with pytest.raises(InputError, match=r"window of 5 .* must have 4"):
        add_seams(Report("", {}), Cast(Studio(pipe), [], Setting()), 1, other=ReadPipeline(longer))
