"""The figures of lengths: taken over a clip's own frames, and together over the clips of a face."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch

from read_core.evaluation.material.gallery import draw_gallery
from read_core.evaluation.material.videos import Video
from read_core.evaluation.metrics.drift import detail
from read_core.evaluation.metrics.seams import still_pixels
from read_core.evaluation.metrics.sync import ShutCases
from read_core.evaluation.suites.lengths import own_frames
from read_core.evaluation.tables.lengths import (
    LIPS,
    PICTURES,
    SEAMS,
    ClipValues,
    FaceFigures,
    Truth,
    against_first,
    of_clip,
    of_face,
)

WINDOW = 4  # one clip is 25 frames, two are 41


FIGURES = {figure.title: figure for figure in (*LIPS, *PICTURES)}


def face(hits=0, closures=0, **means):
    nothing = dict.fromkeys((field.name for field in fields(ClipValues)), math.nan)
    return FaceFigures(ClipValues(**{**nothing, **means}), 0.0, ShutCases(hits=hits, closures=closures))


def test_detail_falls_when_pictures_blur():
    sharp = torch.zeros(2, 8, 8, 3)
    sharp[:, ::2] = 1
    blurred = (sharp + sharp.roll(1, dims=1)) / 2
    assert detail(sharp) == pytest.approx(0.5)
    assert detail(blurred) == 0


@pytest.fixture(scope="module")
def clips(sample):
    """Figures of the two clips of the drawn video itself, paler in the second, its mouth two frames early."""
    frames = sample.frames
    frames[25:] = 0.9 * frames[25:] + 0.1
    mouth = sample.mouth.roll(-2, 0)
    truth = Truth(still_pixels(sample.frames), draw_gallery(sample, 3), (0.0, 1.0))
    return [of_clip(sample, Video(frames, mouth, 0.0), own, truth) for own in own_frames(2, WINDOW)]


@pytest.mark.corpus
def test_the_figures_of_a_clip_are_those_of_its_own_frames(sample, clips):
    first, second = (clip.values for clip in clips)
    assert math.isnan(first.clips)  # nothing comes before
    jump = (0.9 * sample.frames[25] + 0.1 - sample.frames[24]).abs().mean() * 255
    assert second.clips == pytest.approx(float(jump), rel=1e-4)
    jumps = (sample.frames[9:25] - sample.frames[8:24]).abs().mean(dim=(1, 2, 3)) * 255  # of two latents
    assert first.latents == pytest.approx(float(jumps[8]), rel=1e-4)
    within = torch.cat([jumps[1:8], jumps[9:]])
    assert first.inside == pytest.approx(float(within.mean()), rel=1e-4)
    assert first.flicker == 0
    assert first.detail == pytest.approx(1)
    assert second.detail == pytest.approx(0.9, rel=1e-3)
    assert second.border > first.border + 5
    assert first.nearest == 1


@pytest.mark.corpus
def test_a_face_has_the_means_and_all_cases_of_its_clips(sample, clips):
    whole = of_face(clips)
    assert whole.means.detail == (clips[0].values.detail + clips[1].values.detail) / 2
    assert whole.means.clips == clips[1].values.clips
    assert whole.lag == -2
    first, second = (clip.cases.closures for clip in clips)
    assert first == ((sample.closures >= 9) & (sample.closures < 25)).sum()
    assert whole.cases.closures == first + second == (sample.closures >= 9).sum() > 0
    for title, figure in FIGURES.items():
        assert not math.isnan(figure.value([whole])) or title == "silence shut"


def test_jumps_are_ratios_of_means_over_faces():
    long = [face(clips=3.0, inside=1.0), face(clips=1.0, inside=3.0)]
    short = [face(clips=2.0, inside=1.0), face(clips=2.0, inside=1.0)]
    assert SEAMS.value(long) == 1  # not the mean of 3 and 1 / 3
    assert SEAMS.value(short) == 2
    assert SEAMS.against(long, short).value == pytest.approx(1 / 2)


def test_shares_count_every_case_alike():
    long, short = [face(9, 10), face(0, 2)], [face(10, 10), face(2, 2)]
    closed, silence = FIGURES["p b m shut"], FIGURES["silence shut"]
    assert closed.value(long) == 9 / 12
    assert closed.against(long, short).value == pytest.approx(9 / 12 - 1)
    assert math.isnan(silence.value(long))
    assert str(silence.against(long, short)) == "-"


def test_what_may_be_near_0_is_compared_by_its_difference():
    long, short = [face(likeness=0.1, flicker=2.0)], [face(likeness=-0.2, flicker=1.0)]
    assert FIGURES["likeness"].against(long, short).value == pytest.approx(0.3)
    assert FIGURES["flicker"].against(long, short).value == 2
    assert [figure.kind for figure in LIPS] == ["difference"] * len(LIPS)
    kinds = [FIGURES[title].kind for title in ("flicker", "latents / inside", "nearest is its own")]
    assert kinds == ["ratio", "ratio", "difference"]


def test_the_base_is_the_first_length_that_has_the_figure():
    lengths = [[face(inside=1.0)], [face(clips=2.0, inside=1.0)], [face(clips=5.0, inside=1.0)]]
    assert against_first(SEAMS, lengths, 2) == "2.500"
    assert against_first(SEAMS, lengths, 1) == "-"
