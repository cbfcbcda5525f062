"""Head motion against known shifts, and against faces of which only lips and lids move."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import eye_boxes, mouth_box, render
from read_core.corpus.motion import neutral_motion, sample_motion
from read_core.evaluation.metrics.head import head_motion, head_track
from read_core.face.alignment import FaceCrop, cut_face

SIDE, FRAMES = 128, 75


@pytest.fixture(scope="module")
def presenter():
    return sample_presenter(5, "test")


def points_of(presenter):
    motion = neutral_motion(1)
    eyes, mouth = eye_boxes(presenter, motion, SIDE)[0], mouth_box(presenter, motion, SIDE)
    boxes = torch.cat([eyes, mouth])
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def test_known_shifts_are_found_by_the_eye_distance(presenter):
    picture = render(presenter, neutral_motion(1), torch.zeros(1, 3), SIDE)[0]
    points = points_of(presenter)
    shifts = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, -1.5], [-1.0, 3.0]])
    frames = [
        cut_face(picture, FaceCrop(64 - x, 64 - y, SIDE, SIDE), (SIDE, SIDE)) for x, y in shifts.tolist()
    ]
    distance = float((points[1] - points[0]).norm())
    track = head_track(torch.stack(frames), points) * distance
    torch.testing.assert_close(track, shifts, atol=0.25, rtol=0.1)


def test_lips_and_lids_alone_are_hardly_motion(presenter):
    time = torch.arange(FRAMES) / 25
    mouth = torch.stack([(2 * math.pi * rate * time).sin() for rate in (1.7, 1.1, 0.7)], dim=1)
    mouth[:, ::2] = mouth[:, ::2].clamp(min=0)
    moving = sample_motion(5, FRAMES)
    still = dataclasses.replace(neutral_motion(FRAMES), blink=moving.blink)
    points = points_of(presenter)
    found = [
        head_motion(head_track(render(presenter, motion, mouth, SIDE), points)) for motion in (still, moving)
    ]
    assert found[0] < 0.25 * found[1]


def test_motion_does_not_depend_on_where_the_head_is():
    track = torch.tensor([[0.0, 0.0], [0.6, 0.8], [0.0, 0.0], [0.6, 0.8]])
    assert head_motion(track) == pytest.approx(0.5)
    assert head_motion(track + 3) == pytest.approx(0.5)
