"""Where the portrait may be shown."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.detail.trust import ELSEWHERE, EYES, MOUTH, face_places, odd, trust

POINTS = torch.tensor([[0.36, 0.36], [0.64, 0.36], [0.5, 0.66]])


def test_equal_pictures_are_trusted_fully_and_others_less_the_more_they_differ():
    frame = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    shares = [trust(frame, frame + step).mean().item() for step in (0.0, 0.01, 0.03, 0.2)]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[2] == pytest.approx(1 / math.e, abs=0.01)
    assert shares[3] < 1e-6


def test_doubt_stays_near_what_differs():
    frame = torch.full((1, 3, 64, 64), 0.5)
    other = frame.clone()
    other[..., 20:30, 20:30] = 0
    share = trust(frame, other)[0, 0]
    assert share[25, 25] < 1e-6
    assert share[50:, 50:].min() == 1


def test_a_doubt_spreads_over_lips_and_lids():
    frame, moved = torch.full((2, 1, 3, 128, 128), 0.5)
    moved[..., 80:84, 60:68] = 0.2  # a narrow gap between the lips
    places = face_places(POINTS, 128, 128)
    without, with_places = trust(frame, moved)[0, 0], trust(frame, moved, places)[0, 0]
    assert with_places[85, 64] < without[85, 64]
    assert with_places[10, 64] == 1


def test_places_are_around_their_points_and_nowhere_else():
    eyes, mouth = face_places(POINTS, 100, 100)[0]
    assert eyes[36, 36] == 1
    assert eyes[36, 64] == 1
    assert mouth[66, 50] == 1
    assert mouth[36, 50] == 0
    assert eyes[66, 50] == 0
    assert 0 < eyes.mean() < 0.2
    assert 0 < mouth.mean() < 0.2


@pytest.mark.parametrize("swapped", [False, True])
def test_places_turn_with_the_face(swapped):
    points = POINTS[[1, 0, 2]] if swapped else POINTS
    upright = face_places(points, 96, 96)
    turned = torch.stack([1 - points[:, 1], points[:, 0]], dim=1)  # a quarter turn clockwise
    torch.testing.assert_close(
        face_places(turned, 96, 96), torch.rot90(upright, -1, (2, 3)), rtol=0, atol=1e-5
    )


def test_places_have_thresholds_of_their_own():
    frame = torch.full((1, 3, 16, 16), 0.5)
    ones, zeros = torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    for places, width in (((ones, zeros), EYES), ((zeros, ones), MOUTH), ((zeros, zeros), ELSEWHERE)):
        share = trust(frame, frame + width, torch.cat(places, dim=1))
        torch.testing.assert_close(share, torch.full_like(share, 1 / math.e), rtol=1e-3, atol=0)


def test_odd_numbers():
    assert [odd(v) for v in (0.2, 1.9, 2.1, 5.0, 10.0)] == [1, 1, 3, 5, 9]
