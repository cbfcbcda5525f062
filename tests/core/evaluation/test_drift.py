"""Drift of colour and face planted in a video is found."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.motion import sample_motion
from read_core.corpus.presenter import sample_presenter
from read_core.corpus.render import render
from read_core.errors import InputError
from read_core.evaluation.drift import measure_drift
from read_core.evaluation.material import draw_gallery


def talk(seed, frames=6):
    mouth = torch.rand(frames, 3, generator=torch.Generator().manual_seed(seed))
    return render(sample_presenter(seed, "test"), sample_motion(seed, 100), _longer(mouth), 64, stop=frames)


def _longer(mouth):
    return torch.cat([mouth, torch.zeros(100 - len(mouth), 3)])


@pytest.fixture(scope="module")
def gallery():
    return draw_gallery(16, 64, first_seed=500)


def test_the_gallery_holds_different_faces(gallery):
    assert gallery.shape == (16, 64, 64, 3)
    assert (gallery[0] - gallery[1]).abs().mean() > 0.01


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_true_video_keeps_its_face(seed, gallery):
    video = talk(seed)
    drift = measure_drift([video[:3], video[3:]], video[0], gallery)
    assert drift.identity == (1.0, 1.0)
    assert min(drift.likeness) > 0.95
    assert drift.face[0] == drift.border[0] == 0


def test_another_face_in_a_later_clip_is_noticed(gallery):
    video, other = talk(0), gallery[5][None]
    drift = measure_drift([video, other], video[0], gallery)
    assert drift.identity[0] == 1.0
    assert drift.identity[1] < 1.0
    assert drift.recognised == (True, False)
    assert drift.likeness[1] < drift.likeness[0]


def test_a_drift_of_colours_is_measured(gallery):
    video = 0.8 * talk(1)
    drift = measure_drift([video, video + torch.tensor([0.1, 0.0, 0.0])], video[0], gallery)
    assert drift.face[1] == pytest.approx(25.5, abs=0.1)
    assert drift.border[1] == pytest.approx(25.5, abs=0.1)
    only_middle = video.clone()
    only_middle[:, 24:40, 24:40] += 0.1
    drift = measure_drift([video, only_middle], video[0], gallery)
    assert drift.face[1] > 5
    assert drift.border[1] == pytest.approx(0, abs=1e-4)


def test_nothing_to_compare_is_refused(gallery):
    with pytest.raises(InputError, match="another face"):
        measure_drift([torch.zeros(1, 64, 64, 3)], torch.zeros(64, 64, 3), gallery[:0])
