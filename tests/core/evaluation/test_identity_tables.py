"""Identity clip by clip: the right face is found, a wrong one is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.evaluation.cast import Cast
from read_core.evaluation.identity_tables import add_identity, draw_others
from read_core.evaluation.report import Report
from read_core.evaluation.videos import Setting, Studio, Video


class Copies(Studio):
    """Gives the drawn video itself, its second clip showing another face."""

    def __init__(self, pipe, other):
        super().__init__(pipe)
        self.other = other

    def asynchronous(self, sample, setting=None):
        frames = sample.frames.clone()
        frames[25:] = self.other
        return Video(frames, sample.mouth, 0.0)


@pytest.mark.corpus
def test_the_share_of_clips_with_the_right_face(pipe, sample):
    gallery = draw_others(5, (64, 96))
    cast = Cast(Copies(pipe, gallery[2]), [sample, replace(sample, name="again")], Setting())
    report = Report("", {})
    add_identity(report, cast, gallery)
    drawn, generated = report.tables[0].rows
    assert drawn[:3] == ("drawn", 4, 1.0)
    assert drawn[4] > 0.95
    assert generated[:3] == ("generated", 4, 0.5)
    assert generated[4] < drawn[4]
    assert generated[5] > 0


def test_the_gallery_shows_no_face_of_the_videos():
    others = draw_others(3, (64, 64))
    assert others.shape == (3, 64, 64, 3)
    assert not torch.equal(others[0], others[1])
