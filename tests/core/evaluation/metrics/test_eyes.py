"""Eyes that fade, and those that blink."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.evaluation.metrics.eyes import (
    LONGEST_BLINK,
    eye_contrast,
    faded_frames,
    open_eyes,
    share_of_contrast,
)

SIDE = 128


def face(angle: float, depths: tuple[float, float]):
    """A plain picture (H, W, 3) with two dark discs turned by ``angle``, and the three points."""
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = torch.tensor([[-18.0, -16.0], [18.0, -16.0], [0.0, 22.0]]) @ turn.T + SIDE / 2
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    picture = torch.full((SIDE, SIDE), 0.7)
    for (px, py), depth in zip(points[:2].tolist(), depths, strict=True):
        picture[(x - px) ** 2 + (y - py) ** 2 < 25] -= depth
    return picture[..., None].expand(-1, -1, 3), points


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_contrast_is_each_eye_s_own_and_turns_with_the_face(angle):
    picture, points = face(angle, (0.6, 0.15))
    found = eye_contrast(picture[None], points[None])
    assert found.shape == (1, 2)
    assert float(found[0, 0] / found[0, 1]) == pytest.approx(4, rel=0.1)
    upright, level = face(0.0, (0.6, 0.15))
    torch.testing.assert_close(found, eye_contrast(upright[None], level[None]), rtol=0.1, atol=0.01)


def test_an_eye_at_less_than_half_of_the_portrait_s_contrast_has_faded():
    strengths = [(0.6, 0.6), (0.6, 0.33), (0.6, 0.25), (0.1, 0.1)]
    frames = torch.stack([face(0.0, pair)[0] for pair in strengths])
    contrast = eye_contrast(frames, face(0.0, (0, 0))[1].expand(4, 3, 2))
    assert faded_frames(contrast, contrast[0], torch.ones(4, dtype=torch.bool)) == 2
    assert faded_frames(contrast, contrast[0], torch.tensor([True, True, True, False])) == 1
    shown = torch.tensor([True, True, False, False])
    weaker = float(contrast[1, 1] / contrast[0, 1])
    assert 0.5 < weaker < 0.6
    assert share_of_contrast(contrast, contrast[0], shown) == pytest.approx((3 + weaker) / 4)
    assert math.isnan(share_of_contrast(contrast, contrast[0], torch.zeros(4, dtype=torch.bool)))


def test_blinks_are_left_out_but_not_lids_that_stay_down():
    blink = torch.zeros(80)
    blink[10:15] = 0.8
    blink[40 : 40 + LONGEST_BLINK + 1] = 0.8
    seen = open_eyes(blink)
    assert seen.tolist() == [not 10 <= index < 15 for index in range(80)]
