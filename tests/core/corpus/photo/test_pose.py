"""Head motion: which way, and where it ends."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.photo.pose import HeadPose
from read_core.face.paste import smooth

from .conftest import grid, moving

NOSE, EAR, FOREHEAD = 1, 234, 10
LARGE = {"yaw": 0.2, "pitch": -0.15, "roll": 0.1, "x": 0.03, "y": -0.03, "scale": 0.03}


def shift(puppet, point, **tracks):
    """How far the content at a point of the mesh has moved, (2,)."""
    at = puppet.face.points[point][None, None]
    return (at - HeadPose(puppet.face).sources(at, moving(1, **tracks)))[0, 0, 0]


def test_a_still_head_shows_the_still(puppet):
    places = grid(24)
    assert torch.equal(HeadPose(puppet.face).sources(places, moving(2))[1], places)


def test_turns_move_the_nose_more_than_the_ears(puppet):
    for track, axis in (("yaw", 0), ("pitch", 1)):
        for angle in (0.15, -0.15):
            nose = shift(puppet, NOSE, **{track: angle})[axis]
            assert nose * angle > 0
            assert nose.abs() > 1.3 * shift(puppet, EAR, **{track: angle})[axis].abs()


def test_the_other_tracks_move_where_they_say(puppet):
    assert shift(puppet, NOSE, x=0.02)[0] == pytest.approx(0.02, rel=0.1)
    assert shift(puppet, NOSE, y=0.02)[1] == pytest.approx(0.02, rel=0.1)
    assert shift(puppet, FOREHEAD, roll=0.1)[0] > 0.02  # clockwise: the top goes to the right
    assert shift(puppet, FOREHEAD, scale=0.03)[1] < -0.005  # larger: the top goes up


@pytest.mark.parametrize("sign", [1, -1])
def test_the_border_stands_still(puppet, sign):
    steps = torch.linspace(0, 1, 50)
    edges = torch.cat(
        [torch.stack([steps, torch.full_like(steps, at)], -1) for at in (0.0, 1.0)]
        + [torch.stack([torch.full_like(steps, at), steps], -1) for at in (0.0, 1.0)]
    )[None]
    found = HeadPose(puppet.face).sources(edges, moving(1, **{k: sign * v for k, v in LARGE.items()}))
    assert (found[0] - edges).abs().max() < 1e-6


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_motion_does_not_fold_the_picture(puppet, sign):
    places = grid(64)
    found = HeadPose(puppet.face).sources(places, moving(1, **{k: sign * v for k, v in LARGE.items()}))[0]
    assert (found[:, 1:, 0] > found[:, :-1, 0]).all()
    assert (found[1:, :, 1] > found[:-1, :, 1]).all()


def test_smooth_is_a_step_with_soft_ends():
    assert torch.equal(smooth(torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])), torch.tensor([0, 0, 0.5, 1, 1]))
