"""Reading an aligned face: where it looks follows the places that it is given."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from read_core.mouth.face_reader import FaceReader, point_places
from read_core.mouth.reader import SIDE

PLACES = torch.tensor([[[-0.3, -0.3], [0.26, -0.26], [0.02, 0.33]]])


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    reader = FaceReader().eval().requires_grad_(False)
    for parameter in reader.parameters():
        parameter.mul_(1.6)  # first weights hardly tell one picture from another
    return reader


@pytest.fixture(scope="module")
def picture():
    """Smooth, so that resampling hardly changes it."""
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)


def test_a_turned_shifted_and_resized_face_reads_the_same(reader, picture):
    angle, zoom, shift = 0.2, 0.9, torch.tensor([0.05, -0.04])
    cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
    matrix = torch.tensor([[cos, -sin], [sin, cos]])
    grid = F.affine_grid(
        torch.cat([matrix, shift[:, None]], 1)[None], list(picture.shape), align_corners=False
    )
    moved = F.grid_sample(picture, grid, padding_mode="border", align_corners=False)
    places = (PLACES - shift) @ torch.linalg.inv(matrix).T
    elsewhere = reader.read(moved, PLACES)
    torch.testing.assert_close(reader.read(moved, places), reader.read(picture, PLACES), atol=3e-3, rtol=0)
    assert (elsewhere - reader.read(picture, PLACES)).abs().max() > 0.01


def test_the_mirrored_face_has_its_lids_swapped(reader, picture):
    swapped = (PLACES * torch.tensor([-1.0, 1.0]))[:, [1, 0, 2]]
    lids, mirrored = reader.read(picture, PLACES)[:, 3:], reader.read(picture.flip(3), swapped)[:, 3:]
    torch.testing.assert_close(mirrored, lids.flip(1), atol=1e-4, rtol=0)
    assert (lids[:, 0] - lids[:, 1]).abs() > 1e-3


def test_corners_of_a_turned_face_give_the_places_of_its_boxes():
    """Upright, the mouth's box lies a little below its corners; turned by a right angle, beside them."""
    upright = torch.tensor([[40.0, 50.0], [80.0, 50.0], [60.0, 95.0]])
    turned = torch.stack([100 - upright[:, 1], upright[:, 0]], dim=1)
    places = point_places(torch.stack([upright, turned]))
    torch.testing.assert_close(places[:, :2], torch.stack([upright, turned])[:, :2])
    down = float(places[0, 2, 1] - 95)
    assert 0 < down < 10
    assert places[0, 2, 0] == 60
    torch.testing.assert_close(places[1, 2], turned[2] - torch.tensor([down, 0.0]))


def test_brightness_and_contrast_do_not_matter(reader, picture):
    torch.testing.assert_close(
        reader.read(0.4 * picture + 0.2, PLACES), reader.read(picture, PLACES), atol=1e-3, rtol=1e-3
    )
