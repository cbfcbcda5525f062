"""Alignment against transforms written out and pictures that are functions of place."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from read_core.errors import InputError
from read_core.face.alignment import FaceCrop, FaceLayout, cut_face, face_crop


def painted(height: int, width: int) -> torch.Tensor:
    """A smooth picture whose colors tell the place: (H, W, 3)."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return color(torch.stack([x, y], dim=-1))


def color(places: torch.Tensor) -> torch.Tensor:
    x, y = places.unbind(-1)
    channels = [torch.sin(x / 9 + y / 31), torch.cos(y / 11), torch.sin((x - y) / 17)]
    return torch.stack(channels, dim=-1) * 0.4 + 0.5


def turned(points: torch.Tensor, angle: float) -> torch.Tensor:
    """Clockwise on a picture, whose y points down."""
    matrix = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ matrix.T


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (256, 64)])
def test_the_layout_is_in_fractions_of_the_middle_square(size):
    height, width = size
    side = min(size)
    left, right, mouth = FaceLayout(0.3, 0.4, 0.7).points(size) * torch.tensor([width, height])
    top, middle = (height - side) / 2, width / 2
    torch.testing.assert_close(left, torch.tensor([middle - 0.15 * side, top + 0.4 * side]))
    torch.testing.assert_close(right, torch.tensor([middle + 0.15 * side, top + 0.4 * side]))
    torch.testing.assert_close(mouth, torch.tensor([middle, top + 0.7 * side]))


@pytest.mark.parametrize("size", [(128, 128), (96, 160)])
@pytest.mark.parametrize("angle", [0.0, 0.5, -0.5, math.pi - 0.01])
def test_a_face_of_the_layout_s_shape_is_found_exactly(size, angle):
    """Frame pixels, enlarged by 3, turned and shifted, are the original's."""
    height, width = size
    frame = torch.tensor([width, height])
    points = 3 * turned(FaceLayout().points(size) * frame - frame / 2, angle) + torch.tensor([400.0, 300.0])
    crop = face_crop(points, size)
    assert (crop.x, crop.y) == pytest.approx((400, 300), abs=1e-3)
    assert (crop.width, crop.height) == pytest.approx((3 * width, 3 * height), rel=1e-5)
    assert crop.roll == pytest.approx(angle, abs=1e-5)
    torch.testing.assert_close(crop.to_crop(points), FaceLayout().points(size), atol=1e-5, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 1.0, 2.0, 3.0, 4.0])
def test_the_order_of_the_eyes_does_not_matter(angle):
    points = turned(FaceLayout().points((128, 128)) * 128 - 64, angle) + 300
    assert face_crop(points[[1, 0, 2]], (128, 128)) == face_crop(points, (128, 128))


def test_other_faces_fit_best_in_the_least_squares_sense():
    """The similarity (a, b, x, y) from numpy's solver of the same six equations."""
    points = np.array([[103.0, 88.0], [171.0, 97.0], [130.0, 190.0]])
    target = FaceLayout().points((128, 128)).double().numpy() * 128
    rows, values = [], []
    for (u, v), (x, y) in zip(target, points, strict=True):
        rows += [[u, -v, 1, 0], [v, u, 0, 1]]
        values += [x, y]
    a, b, x, y = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    crop = face_crop(torch.tensor(points, dtype=torch.float32), (128, 128))
    assert crop.width == pytest.approx(128 * math.hypot(a, b), rel=1e-5)
    assert crop.roll == pytest.approx(math.atan2(b, a), abs=1e-5)
    assert (crop.x, crop.y) == pytest.approx((64 * a - 64 * b + x, 64 * b + 64 * a + y), abs=1e-3)


@pytest.mark.parametrize("points", [torch.zeros(3, 2), torch.full((3, 2), torch.nan), torch.rand(2, 2)])
def test_points_that_are_no_face_are_refused(points):
    with pytest.raises(InputError, match="points are"):
        face_crop(points, (128, 128))


def test_the_two_ways_are_each_other_s_inverse():
    crop = FaceCrop(40.0, 70.0, 200.0, 120.0, 0.7)
    places = torch.rand(5, 4, 2, generator=torch.Generator().manual_seed(0)) * 2 - 0.5
    torch.testing.assert_close(crop.to_crop(crop.to_original(places)), places, atol=1e-5, rtol=0)
    quarter = FaceCrop(50.0, 50.0, 100.0, 40.0, math.pi / 2)  # its right end points down
    torch.testing.assert_close(quarter.to_original(torch.tensor([1.0, 0.5])), torch.tensor([50.0, 100.0]))
    assert quarter.box == (30, 0, 70, 100)


@pytest.mark.parametrize(
    "crop",
    [
        FaceCrop(150.0, 120.0, 128.0, 128.0),  # as large as the result
        FaceCrop(150.3, 120.8, 60.0, 60.0, 0.3),  # enlarged
        FaceCrop(150.0, 120.0, 150.0, 150.0, -0.4),  # a little smaller
        FaceCrop(160.0, 130.0, 190.0, 190.0, 0.2),
    ],
)
def test_the_cut_shows_what_is_in_its_place(crop):
    image = painted(260, 320)
    found = cut_face(image, crop, (128, 128))
    y, x = torch.meshgrid((torch.arange(128) + 0.5) / 128, (torch.arange(128) + 0.5) / 128, indexing="ij")
    expected = color(crop.to_original(torch.stack([x, y], dim=-1)))
    assert found.shape == (128, 128, 3)
    assert float((found - expected)[2:-2, 2:-2].abs().max()) < 0.012


def test_a_crop_that_is_the_picture_gives_the_picture():
    image = torch.rand(64, 96, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(cut_face(image, FaceCrop.of_box((0, 0, 96, 64)), (64, 96)), image)


def test_a_large_picture_is_cut_antialiased_and_in_its_place():
    """Stripes of single pixels become gray; a large bright square stays where it is."""
    image = torch.zeros(1600, 1600, 3)
    image[:, ::2] = 1
    gray = cut_face(image, FaceCrop(800.0, 800.0, 1500.0, 1500.0, 0.1), (64, 64))
    assert float((gray - 0.5).abs().max()) < 0.02
    image = torch.zeros(1600, 1600, 3)
    image[400:1200, 400:1200] = 1
    found = cut_face(image, FaceCrop.of_box((0, 0, 1600, 1600)), (64, 64))
    expected = torch.zeros(64, 64, 3)
    expected[16:48, 16:48] = 1
    assert float((found - expected).abs().mean()) < 0.01


def test_outside_the_picture_its_border_is_repeated():
    image = painted(60, 80)
    found = cut_face(image, FaceCrop.of_box((-40, -30, 120, 90)), (120, 160))
    torch.testing.assert_close(found[:30], found[30:31].expand(30, -1, -1), atol=0.02, rtol=0)
    torch.testing.assert_close(found[30:90, :40], image[:, :1].expand(-1, 40, -1), atol=0.02, rtol=0)
    torch.testing.assert_close(found[30:90, 40:120], image, atol=1e-4, rtol=0)


def test_a_crop_beside_the_picture_is_its_border():
    image = torch.full((20, 30, 3), 0.25)
    found = cut_face(image, FaceCrop(500.0, 500.0, 90.0, 90.0, 0.4), (32, 32))
    torch.testing.assert_close(found, torch.full((32, 32, 3), 0.25))


def test_the_image_is_left_as_it_is():
    image = torch.rand(100, 100, 3)
    kept = image.clone()
    cut_face(image, FaceCrop(50.0, 50.0, 90.0, 90.0, 0.4), (32, 32))
    assert torch.equal(image, kept)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"eye_distance": 0.28, "eyes": 0.36}, "expected eye_distance, eyes, mouth"),
        ({"eye_distance": 0.28, "eyes": 0.7, "mouth": 0.6}, "eyes above mouth"),
        ({"eye_distance": "wide", "eyes": 0.36, "mouth": 0.66}, "'wide'; expected a number"),
        ({"eye_distance": True, "eyes": 0.36, "mouth": 0.66}, "expected a number"),
        ([0.28, 0.36, 0.66], "expected eye_distance"),
    ],
)
def test_a_layout_that_is_none_is_refused(values, words):
    with pytest.raises(InputError, match=words):
        FaceLayout.from_dict(values)


def test_a_layout_comes_back():
    layout = FaceLayout(0.34, 0.4, 0.72)
    assert FaceLayout.from_dict(layout.to_dict()) == layout


@pytest.mark.parametrize("values", [(0, 0, 0, 10, 0), (0, 0, 10, 10, math.nan)])
def test_a_crop_without_a_size_is_refused(values):
    with pytest.raises(InputError, match="expected finite numbers"):
        FaceCrop(*values)
