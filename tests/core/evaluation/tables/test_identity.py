"""Identity clip by clip: the right face is found, a wrong one is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.corpus.drawing.render import render
from read_core.corpus.motion import neutral_motion
from read_core.evaluation.material.gallery import draw_gallery, others
from read_core.evaluation.material.sample_set import SampleSet
from read_core.evaluation.material.videos import Video, VideoGenerator
from read_core.evaluation.tables.identity import add_drift, add_identity
from read_core.evaluation.tables.report import Report
from read_core.records import SamplingSettings


class Copies(VideoGenerator):
    """Gives the drawn video itself, the second clip and later ones darkened or showing another face."""

    def __init__(self, pipe, other=None, light=1.0):
        super().__init__(pipe)
        self.other = other
        self.light = light

    def asynchronous(self, sample, settings=None):
        frames = sample.frames.clone()
        frames[25:] = self.light * frames[25:] if self.other is None else self.other
        return Video(frames, sample.mouth, 0.0)


def table(report):
    names = report.tables[0].columns
    return [dict(zip(names, row, strict=True)) for row in report.tables[0].rows]


@pytest.mark.corpus
def test_the_share_of_clips_with_the_right_face(pipe, sample):
    gallery = draw_gallery(sample, 5)
    stranger = others(sample.presenter, 3)[2]
    picture = render(stranger, neutral_motion(1), torch.zeros(1, 3), (64, 96))[0]
    sample_set = SampleSet(Copies(pipe, picture), [sample, replace(sample, name="again")], SamplingSettings())
    report = Report("", {})
    add_identity(report, sample_set, [gallery, gallery])
    drawn, generated = table(report)
    assert (drawn["clips"], drawn["nearest is its own"]) == (4, 1.0)
    assert drawn["95 %"] == "0.510 to 1.000"  # Wilson's of 4 out of 4
    assert (generated["clips"], generated["nearest is its own"]) == (4, 0.5)
    assert drawn["own distance"] < drawn["nearest other"]
    assert generated["own distance"] > 2 * drawn["own distance"]
    assert generated["face, from clip 1"] > 5
    assert generated["border, from the portrait"] < 30


@pytest.mark.corpus
def test_a_dark_end_is_seen_clip_by_clip(pipe, sample):
    report = Report("", {})
    add_drift(report, SampleSet(Copies(pipe, light=0.5), [sample], SamplingSettings()), 3, 5)
    first, *later = table(report)
    assert [row["clip"] for row in (first, *later)] == [1, 2, 3]
    assert first["face, from clip 1"] == 0
    assert first["border, from the portrait"] == first["border, drawn"]
    for row in later:
        assert row["border, from the portrait"] > row["border, drawn"] + 40
        assert row["own distance"] > 2 * row["own distance, drawn"]
        assert row["face, from clip 1"] > 20
