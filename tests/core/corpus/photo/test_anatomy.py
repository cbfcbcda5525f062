"""What is measured of a face, against the points themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from read_core.corpus.photo.anatomy import anatomy, curve, eyes_and_mouth

UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
LIDS = ((159, 145, 33, 133), (386, 374, 362, 263))  # above and below the pupil, the corners


@pytest.fixture(scope="module")
def landmarks(loaded):
    return loaded[1]


def test_curves_follow_the_lips(landmarks):
    mouth = anatomy(landmarks).mouth
    for coefficients, points in ((mouth.upper, UPPER_LIP), (mouth.lower, LOWER_LIP)):
        u, v = mouth.axes.coordinates(landmarks[list(points), :2])
        assert (curve(coefficients, u) - v).abs().max() < 0.03
        assert curve(coefficients, torch.tensor([-1.0, 1.0])).abs().max() < 1e-5


def test_curves_go_on_level_beyond_the_corners(landmarks):
    upper = anatomy(landmarks).mouth.upper
    assert torch.equal(curve(upper, torch.tensor([1.2, 5.0])), curve(upper, torch.tensor([1.2, 1.2])))


def test_distances_are_those_of_the_points(landmarks):
    face, flat = anatomy(landmarks), landmarks[:, :2].numpy()
    middles = [(flat[a] + flat[b]) / 2 for *_, a, b in LIDS]
    assert face.eye_distance == pytest.approx(np.linalg.norm(middles[0] - middles[1]), rel=1e-5)
    for eye, (above, below, *_) in zip(face.eyes, LIDS, strict=True):
        assert eye.height * eye.axes.half == pytest.approx(np.linalg.norm(flat[above] - flat[below]), rel=0.1)
        assert eye.brow > 0
        assert 0.2 < eye.iris_radius < 0.6
    mouth = face.mouth
    assert mouth.gap == pytest.approx(0, abs=0.02)
    assert 0 < mouth.upper_lip < mouth.nose
    assert 0 < mouth.lower_lip < mouth.chin


def test_the_order_of_the_eyes_and_the_mouths_place(landmarks):
    left, right, mouth = eyes_and_mouth(landmarks)
    assert left[0] < mouth[0] < right[0]
    assert max(left[1], right[1]) < mouth[1]
    lips = landmarks[list(UPPER_LIP + LOWER_LIP), 0]
    assert lips.amin() < mouth[0] < lips.amax()


def test_a_turned_and_larger_face_is_the_same_face(landmarks):
    angle, scale = 0.3, 1.7
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = landmarks.clone() * scale
    moved[:, :2] = landmarks[:, :2] @ turn.T * scale + torch.tensor([0.4, -0.2])
    face, other = anatomy(landmarks), anatomy(moved)
    assert other.eye_distance == pytest.approx(scale * face.eye_distance, rel=1e-4)
    assert torch.allclose(other.mouth.upper, face.mouth.upper, atol=1e-3)
    for name in ("gap", "upper_lip", "lower_lip", "nose", "chin"):
        assert getattr(other.mouth, name) == pytest.approx(getattr(face.mouth, name), abs=1e-3)
    for a, b in zip(face.eyes, other.eyes, strict=True):
        assert b.height == pytest.approx(a.height, abs=1e-3)
        assert torch.allclose(b.iris, a.iris, atol=1e-3)


def test_the_nose_is_nearest_to_the_camera(landmarks):
    depth = anatomy(landmarks).depth
    assert depth[1] == depth.max() or depth[4] == depth.max()
