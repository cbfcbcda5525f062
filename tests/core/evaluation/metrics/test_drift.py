"""Drift of color and face planted in a video is found, from its first frame on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import render
from read_core.corpus.motion import sample_motion
from read_core.errors import InputError
from read_core.evaluation.material.gallery import draw_gallery, others
from read_core.evaluation.metrics.drift import coarse, measure_drift


@pytest.fixture(scope="module")
def faces(talking):
    """Samples of four faces with their galleries."""
    samples = [talking(seed) for seed in range(4)]
    return [(sample, draw_gallery(sample, 24)) for sample in samples]


def measured(sample, gallery, frames):
    return measure_drift([frames], sample.portrait, gallery)


def test_a_true_video_keeps_its_face(faces):
    for sample, gallery in faces:
        drift = measure_drift([sample.frames[:3], sample.frames[3:]], sample.portrait, gallery)
        assert drift.identity == (1.0, 1.0)
        assert drift.recognized == (True, True)
        assert min(drift.likeness) > 0.95
        assert all(own < other for own, other in zip(drift.own, drift.other, strict=True))
        assert drift.face[0] == drift.border[0] == 0


def test_the_portrait_itself_is_at_no_distance(faces):
    sample, gallery = faces[0]
    drift = measured(sample, gallery, sample.frames[:1])
    assert drift.own == drift.face_from_portrait == drift.border_from_portrait == (0.0,)
    assert drift.likeness[0] == pytest.approx(1)
    nearest = (gallery.faces - _box(sample.portrait, gallery)).square().mean(dim=(1, 2, 3)).min().sqrt() * 255
    assert drift.other[0] == pytest.approx(float(nearest), rel=1e-4)


def _box(portrait, gallery):
    left, top, right, bottom = gallery.box
    return F.adaptive_avg_pool2d(portrait[top:bottom, left:right].permute(2, 0, 1), 32)


def test_another_face_in_the_same_scene_is_told_apart(faces):
    for sample, gallery in faces:
        scene = vars(others(sample.presenter, 1)[0])
        kept = {name: value for name, value in scene.items() if value == getattr(sample.presenter, name)}
        stranger = replace(sample_presenter(777, "test"), **kept)
        video = render(stranger, sample_motion(1, 100), torch.zeros(100, 3), 64, stop=6)
        drift = measured(sample, gallery, video)
        assert drift.recognized == (False,)
        assert drift.own[0] > 2 * measured(sample, gallery, sample.frames).own[0]
        later = measure_drift([sample.frames, video], sample.portrait, gallery)
        assert later.recognized == (True, False)


def test_a_darkened_video_reads_what_was_taken_away(faces):
    for sample, gallery in faces:
        still = sample.portrait[None].expand(6, -1, -1, -1)
        dark = measure_drift([0.3 * still[:3], 0.3 * still[3:]], sample.portrait, gallery)
        assert dark.face == dark.border == (0.0, 0.0)
        middle = sample.portrait[16:48, 16:48].mean(dim=(0, 1)).norm() * 255
        assert dark.face_from_portrait == pytest.approx([0.7 * float(middle)] * 2, rel=0.01)
        assert min(dark.border_from_portrait) > 50
        assert dark.own[0] == pytest.approx(
            0.7 * 255 * float(_box(sample.portrait, gallery).square().mean().sqrt()), rel=1e-3
        )
        assert dark.recognized == (False, False)


def test_a_mosaic_is_farther_from_the_portrait_than_the_video_is(faces):
    for sample, gallery in faces:
        small = F.adaptive_avg_pool2d(sample.frames.permute(0, 3, 1, 2), 8)
        mosaic = F.interpolate(small, 64).permute(0, 2, 3, 1)
        true, coarser = measured(sample, gallery, sample.frames), measured(sample, gallery, mosaic)
        assert coarser.own[0] > true.own[0] + 5
        assert coarser.likeness[0] < true.likeness[0] - 0.02


def test_a_drift_of_colors_is_measured(faces):
    sample, gallery = faces[1]
    video = 0.8 * sample.frames
    redder = video + torch.tensor([0.1, 0.0, 0.0])
    drift = measure_drift([video, redder], sample.portrait, gallery)
    assert drift.face[1] == pytest.approx(25.5, abs=0.1)
    assert drift.border[1] == pytest.approx(25.5, abs=0.1)
    only_middle = video.clone()
    only_middle[:, 24:40, 24:40] += 0.1
    drift = measure_drift([video, only_middle], sample.portrait, gallery)
    assert drift.face[1] > 5
    assert drift.border[1] == pytest.approx(0, abs=1e-4)
    assert drift.face_from_portrait[1] != pytest.approx(drift.face_from_portrait[0], abs=5)
    assert drift.border_from_portrait[1] == pytest.approx(drift.border_from_portrait[0], abs=1e-3)


def test_coarse_colors_are_means_over_the_middle_square():
    frames = torch.rand(66, 128, 144, 3, generator=torch.Generator().manual_seed(0))
    expected = frames[:, :, 8:136].reshape(66, 16, 8, 16, 8, 3).mean(dim=(2, 4))
    torch.testing.assert_close(coarse(frames).permute(0, 2, 3, 1), expected)


def test_nothing_to_follow_is_refused(faces):
    sample, gallery = faces[0]
    with pytest.raises(InputError, match="a clip"):
        measure_drift([], sample.portrait, gallery)
