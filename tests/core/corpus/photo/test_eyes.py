"""Lids, gaze and brows."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.photo.anatomy import curve
from read_core.corpus.photo.eyes import EyeWarp
from read_core.corpus.photo.puppet import eye_boxes, render_puppet

from .conftest import grid, mouths, moving, places
from .test_puppet import LARGEST

SIZE = 192


def still_mouth(frames):
    return torch.zeros(frames, 3)


def openings(puppet, inset=0.0):
    """(2, H, W) bool: the pixels between the lids of the still, of each eye."""
    masks = []
    for eye in puppet.face.eyes:
        u, v = eye.axes.coordinates(grid(SIZE))
        inside = (v > curve(eye.upper, u) + inset) & (v < curve(eye.lower, u) - inset)
        masks.append(inside & (u.abs() < 1))
    return torch.stack(masks)


def irises(puppet, share):
    """(2, H, W) bool: discs of a share of the iris."""
    masks = []
    for eye in puppet.face.eyes:
        u, v = eye.axes.coordinates(grid(SIZE))
        masks.append((u - eye.iris[0]).square() + (v - eye.iris[1]).square() < (share * eye.iris_radius) ** 2)
    return torch.stack(masks)


def inside(boxes):
    """(H, W) bool of (K, 4) pixel boxes."""
    centers = torch.arange(SIZE) + 0.5
    rows = (centers[None] > boxes[:, 1:2]) & (centers[None] < boxes[:, 3:4])
    columns = (centers[None] > boxes[:, 0:1]) & (centers[None] < boxes[:, 2:3])
    return (rows[:, :, None] & columns[:, None, :]).any(0)


def test_a_blink_puts_skin_over_the_iris(puppet):
    opened, shut = render_puppet(puppet, moving(2, blink=torch.tensor([0.0, 1.0])), still_mouth(2), SIZE)
    for eye, iris in zip(openings(puppet), irises(puppet, 0.8), strict=True):
        covered = eye & iris
        assert shut[covered].mean() > opened[covered].mean() + 0.2


def test_a_blink_leaves_all_but_the_eyes_alone(puppet):
    opened, shut = render_puppet(puppet, moving(2, blink=torch.tensor([0.0, 1.0])), still_mouth(2), SIZE)
    changed = (opened - shut).abs().amax(-1) > 1e-6
    assert changed.any()
    assert not (changed & ~inside(eye_boxes(puppet, moving(1), SIZE)[0])).any()


def test_lids_close_by_degrees(puppet):
    steps = torch.linspace(0, 1, 5)
    frames = render_puppet(puppet, moving(5, blink=steps), still_mouth(5), SIZE)
    irises_ = (openings(puppet) & irises(puppet, 0.7)).any(0)
    hidden = [float((frame - frames[0]).abs().amax(-1)[irises_].gt(0.08).float().mean()) for frame in frames]
    assert hidden == sorted(hidden)
    assert hidden[0] == 0
    assert hidden[-1] > 0.7


@pytest.mark.parametrize("sign", [1, -1])
def test_lids_follow_a_moving_head(puppet, ramp, sign):
    """No window cuts a lid off, however far the head moves."""
    motion = {name: sign * value for name, value in LARGEST.items()}
    moved = places(render_puppet(ramp, moving(1, **motion), still_mouth(1), SIZE))[0]
    opened, shut = render_puppet(
        puppet, moving(2, blink=torch.tensor([0.0, 1.0]), **motion), still_mouth(2), SIZE
    )
    changed = (opened - shut).abs().amax(-1) > 0.05
    for eye in puppet.face.eyes:
        u, v = eye.axes.coordinates(moved)
        iris = (u - eye.iris[0]).square() + (v - eye.iris[1]).square() < (0.7 * eye.iris_radius) ** 2
        ball = iris & (v > curve(eye.upper, u) + 0.1) & (v < curve(eye.lower, u) - 0.1)
        assert ball.any()
        assert changed[ball].float().mean() > 0.95


@pytest.mark.parametrize(("axis", "share"), [(0, 0.16), (1, 0.22)])
def test_the_iris_looks_where_gaze_says(ramp, axis, share):
    gaze = torch.zeros(1, 2)
    gaze[0, axis] = 1.0
    frame = places(render_puppet(ramp, moving(1, gaze=gaze), still_mouth(1), SIZE))[0]
    for eye in ramp.face.eyes:
        pupil = eye.axes.origin + eye.axes.vector(eye.iris[0], eye.iris[1])
        x, y = (pupil * SIZE).long()
        unit = eye.axes.half * (1 if axis == 0 else eye.height)
        moved = (grid(SIZE) - frame)[y, x, axis]
        assert moved == pytest.approx(share * unit, rel=0.15, abs=0.3 / SIZE)


def test_gaze_leaves_all_but_the_eyeballs_alone(puppet):
    straight, aside = render_puppet(
        puppet, moving(2, gaze=torch.tensor([[0.0, 0.0], [1.0, 0.5]])), still_mouth(2), SIZE
    )
    changed = (straight - aside).abs().amax(-1) > 1e-3
    assert changed.any()
    assert not (changed & ~openings(puppet, inset=-0.12).any(0)).any()


def test_brows_rise_and_the_eyes_stay(ramp):
    frame = places(render_puppet(ramp, moving(1, brows=1.0), still_mouth(1), SIZE))[0]
    moved = (grid(SIZE) - frame)[..., 1]
    for eye in ramp.face.eyes:
        x, y = (eye.brow_place * SIZE).long()
        assert moved[y, x] < -0.1 * eye.brow * eye.axes.half
    assert moved[openings(ramp).any(0)].abs().max() < 1e-3
    assert moved[SIZE // 2 + SIZE // 8 :].abs().max() < 1e-3


def test_the_window_of_an_eye_holds_its_lids(puppet):
    boxes = eye_boxes(puppet, moving(1), SIZE)[0]
    for eye, box in zip(puppet.face.eyes, boxes, strict=True):
        rows, columns = EyeWarp(eye, torch.ones(3)).window(SIZE)
        assert columns.start <= box[0]
        assert rows.start <= box[1]
        assert box[2] <= columns.stop
        assert box[3] <= rows.stop


def test_mouth_and_eyes_do_not_disturb_each_other(puppet):
    both = render_puppet(puppet, moving(1, blink=1.0), mouths((1, 0, 0)), SIZE)[0]
    eyes = render_puppet(puppet, moving(1, blink=1.0), still_mouth(1), SIZE)[0]
    upper = slice(0, SIZE // 2)
    assert torch.allclose(both[upper], eyes[upper], atol=1e-5)
