"""Moved heads: which way, how far, and what stays."""

from __future__ import annotations

import pytest
import torch

from read_core.evaluation.metrics.head import head_motion, head_track
from read_core.face.alignment import FaceLayout
from read_core.head.mover import HeadMover
from read_core.head.track import POSE, HeadTrack

SIZE = (128, 128)
POINTS = FaceLayout().points(SIZE)
DISTANCE = FaceLayout().eye_distance * SIZE[1]  # of the eyes, in pixels


def blob(x, y, size=SIZE, sigma=2.5):
    """A picture (1, H, W, 3) with a soft spot at (x, y) in pixels."""
    rows, columns = torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5
    spot = torch.exp(-((rows[:, None] - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))
    return spot[None, :, :, None].repeat(1, 1, 1, 3)


def place(frames):
    """Center of the spot of the first frame: x and y."""
    weight = frames[0, ..., 0]
    rows, columns = torch.arange(weight.shape[0]) + 0.5, torch.arange(weight.shape[1]) + 0.5
    total = weight.sum()
    return torch.stack([(weight.sum(0) * columns).sum(), (weight.sum(1) * rows).sum()]) / total


def pose(**values):
    return torch.tensor([[values.get(name, 0.0) for name in POSE]])


def shift(x, y, /, size=SIZE, points=POINTS, **values):
    """How far a spot at fractions (x, y) moves, in eye distances."""
    frames = blob(x * size[1], y * size[0], size)
    moved = HeadMover(points, size[1] / size[0]).move(frames, pose(**values))
    return (place(moved) - place(frames)) / DISTANCE


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"x": 0.05}, (0.05, 0.0)),
        ({"y": -0.05}, (0.0, -0.05)),
    ],
)
def test_a_shift_moves_the_middle_of_the_face_by_that_many_eye_distances(values, expected):
    assert torch.allclose(shift(0.5, 0.5, **values), torch.tensor(expected), atol=0.004)


def test_a_turn_moves_the_nose_further_than_the_cheek():
    nose, cheek = (shift(x, 0.52, yaw=0.06)[0] for x in (0.5, 0.72))
    assert 0.03 < cheek < 0.8 * nose < 0.06
    assert shift(0.5, 0.52, pitch=0.06)[1] > 0.03


def test_a_tilt_moves_eyes_in_opposite_heights_about_the_neck():
    left, right = (shift(x, 0.36, roll=0.04) for x in (0.36, 0.64))
    assert left[1] < -0.01 < 0.01 < right[1]
    assert left[0] > 0.04  # above the neck, clockwise is to the right
    assert right[0] > 0.04


def test_directions_are_those_of_a_face_that_lies_on_its_side():
    """Eyes one above the other: the face's right is the picture's down."""
    points = torch.tensor([[0.64, 0.36], [0.64, 0.64], [0.34, 0.5]])
    assert torch.allclose(shift(0.5, 0.5, points=points, x=0.05), torch.tensor([0.0, 0.05]), atol=0.005)
    assert torch.allclose(shift(0.5, 0.5, points=points, y=0.05), torch.tensor([-0.05, 0.0]), atol=0.005)


def test_in_frames_that_are_not_square_the_face_is_not_stretched():
    size = (128, 192)
    points = FaceLayout().points(size)
    assert torch.allclose(shift(0.5, 0.5, size, points, x=0.05), torch.tensor([0.05, 0.0]), atol=0.004)
    assert torch.allclose(shift(0.5, 0.5, size, points, y=0.05), torch.tensor([0.0, 0.05]), atol=0.004)


def test_the_border_stays():
    frames = torch.rand(1, *SIZE, 3)
    moved = HeadMover(POINTS, 1.0).move(
        frames, pose(yaw=0.15, pitch=0.1, roll=0.04, x=0.06, y=0.05, scale=0.02)
    )
    changed = (moved - frames).abs()
    for edge in (changed[:, 0], changed[:, -1], changed[:, :, 0], changed[:, :, -1]):
        assert edge.max() < 0.01
    assert changed[:, 32:96, 32:96].mean() > 0.05


def test_without_a_pose_the_frames_themselves_come_back():
    frames = torch.rand(2, *SIZE, 3)
    assert HeadMover(POINTS, 1.0).move(frames, torch.zeros(2, 6)) is frames


def test_values_stay_within_0_and_1_and_keep_their_type():
    frames = (torch.rand(1, *SIZE, 3) > 0.5).to(torch.float16)
    moved = HeadMover(POINTS, 1.0).move(frames, pose(x=0.013, y=0.01))
    assert moved.dtype == torch.float16
    assert 0 <= moved.min() <= moved.max() <= 1
    assert not torch.equal(moved, frames)


def test_the_measure_of_head_motion_sees_the_motion_of_a_talking_head():
    """Presenters of the corpora move by 0.02 to 0.07 eye distances."""
    torch.manual_seed(0)
    coarse = torch.rand(1, 3, 24, 24)
    still = torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 1).permute(0, 2, 3, 1)
    found = []
    for seed in range(3):
        moved = HeadMover(POINTS, 1.0).move(still.repeat(100, 1, 1, 1), HeadTrack(seed).pose(0, 200)[::2])
        found.append(head_motion(head_track(moved, POINTS * SIZE[0])))
    assert min(found) > 0.02
    assert max(found) < 0.08
