"""Finding faces that it has never seen: drawn presenters with known places, and a public photograph."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from read_core.errors import InputError
from read_core.face.finder import (
    WEIGHTS,
    close_frames,
    close_up,
    find_faces,
    load_finder,
    middles,
    overlap,
)
from read_core.face.material import drawn_presenters
from read_core.face.measure import PUBLIC, point_errors, public_errors

SEED = 7


@pytest.fixture(scope="module")
def presenters():
    return drawn_presenters(6, "test", SEED)


def as_image(picture):
    return torch.from_numpy(np.asarray(picture, np.float32) / 255)


def off(found, points):
    """Mean error of the eyes and of the mouth, in eye distances."""
    errors = point_errors(found[None], torch.as_tensor(np.asarray(points)).float())[0]
    return float(errors[:2].mean()), float(errors[2])


def test_the_weights_are_small():
    weights = load_file(WEIGHTS)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert WEIGHTS.stat().st_size <= 1_000_000


def test_drawn_presenters_of_the_test_split_are_found(presenters):
    for presenter in presenters:
        image = as_image(presenter.picture)
        before = image.clone()
        faces = find_faces(image)
        assert len(faces) == 1
        eyes, mouth = off(faces.points[0], presenter.points)
        assert eyes < 0.06
        assert mouth < 0.10
        left, top, right, bottom = faces.boxes[0].tolist()
        assert left < presenter.points[0, 0] < presenter.points[1, 0] < right
        assert top < presenter.points[:2, 1].mean() < presenter.points[2, 1] < bottom
        assert torch.equal(image, before)


def test_a_public_photograph_is_found():
    matplotlib = pytest.importorskip("matplotlib")
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    count, errors = public_errors(path)
    assert count == 1
    assert errors[:2].mean() < 0.1
    assert PUBLIC[path.name][0][0] < PUBLIC[path.name][1][0]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_faces_that_lie_are_found_in_their_places(presenters, quarters):
    """In a picture that is not square."""
    presenter = presenters[0]
    image = torch.cat([as_image(presenter.picture), torch.full((480, 160, 3), 0.4)], dim=1)
    points = torch.from_numpy(presenter.points).float()
    width = image.shape[1]
    for _ in range(quarters):  # a quarter counterclockwise: x becomes y, y counts from the right end
        points = torch.stack([points[:, 1], width - points[:, 0]], dim=1)
        width = image.shape[0] if width == image.shape[1] else image.shape[1]
    faces = find_faces(image.rot90(quarters))
    assert len(faces) == 1
    assert off(faces.points[0], points)[0] < 0.06
    assert off(middles(faces.features)[0], points)[0] < 0.06
    box = faces.boxes[0].view(2, 2)
    assert bool(((points > box[0]) & (points < box[1])).all())


@pytest.mark.parametrize("angle", [-30, 20, 180])
def test_points_turn_with_the_picture(presenters, angle):
    presenter = presenters[0]
    turned = presenter.picture.rotate(-angle, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    radians = math.radians(angle)
    matrix = np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
    middle = np.array(presenter.picture.size) / 2
    faces = find_faces(as_image(turned))
    assert len(faces) == 1
    assert off(faces.points[0], (presenter.points - middle) @ matrix.T + middle)[0] < 0.08


def test_points_follow_size_and_mirror(presenters):
    presenter = presenters[1]
    half = presenter.picture.resize((presenter.picture.width // 2, presenter.picture.height // 2))
    assert off(find_faces(as_image(half)).points[0], presenter.points / 2)[0] < 0.06
    mirrored = as_image(presenter.picture).flip(1)
    points = presenter.points[[1, 0, 2]] * [-1, 1] + [presenter.picture.width, 0]
    assert off(find_faces(mirrored).points[0], points)[0] < 0.06


def test_the_largest_face_comes_first(presenters):
    one, two = presenters[2].picture, presenters[3].picture.resize((240, 240))
    both = Image.new("RGB", (760, 480), (90, 110, 140))
    both.paste(two, (10, 100))
    both.paste(one, (270, 0))
    faces = find_faces(as_image(both))
    assert len(faces) == 2
    assert off(faces.points[0], presenters[2].points + np.array([270, 0]))[0] < 0.06
    assert off(faces.points[1], presenters[3].points / 2 + np.array([10, 100]))[0] < 0.08


def test_no_face_where_there_is_none():
    noise = torch.rand(200, 300, 3, generator=torch.Generator().manual_seed(SEED))
    ramp = torch.linspace(0, 1, 300)[None, :, None].expand(200, 300, 3)
    board = ((torch.arange(200)[:, None] // 20 + torch.arange(300) // 20) % 2).float()[..., None]
    for image in (noise, ramp, board.expand(-1, -1, 3), torch.zeros(64, 64, 3), torch.ones(1, 1, 3)):
        faces = find_faces(image)
        assert len(faces) == 0
        assert faces.boxes.shape == (0, 4)
        assert faces.points.shape == (0, 3, 2)


@pytest.mark.parametrize(
    "image",
    [torch.zeros(3, 64, 64), torch.zeros(1, 64, 64, 3), torch.zeros(0, 64, 3), torch.zeros(64, 64, 3).byte()],
)
def test_other_tensors_are_refused(image):
    with pytest.raises(InputError, match="expected"):
        find_faces(image)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(InputError, match=r"other\.safetensors"):
        load_finder(tmp_path / "other.safetensors")


def test_a_close_up_shows_what_its_frame_says():
    """In a picture whose colors are its coordinates, a close-up's colors are its frame's places."""
    y, x = torch.meshgrid(torch.arange(300) + 0.5, torch.arange(400) + 0.5, indexing="ij")
    picture = torch.stack([x, y, torch.ones_like(x)]) / 400
    points = torch.tensor([[180.0, 140.0], [230.0, 160.0], [190.0, 205.0]])
    for scale in (0.3, 1.0, 1.6):
        frame = close_frames(points.mean(0) + scale * (points - points.mean(0))[None])[0]
        shown = close_up(picture, frame)
        steps = (torch.arange(64) + 0.5) / 32 - 1
        places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1) @ frame[:, :2].T + frame[:, 2]
        inside = (places > 4).all(-1) & (places[..., 0] < 396) & (places[..., 1] < 296)
        assert inside.float().mean() > 0.9
        torch.testing.assert_close(
            (400 * shown[:2].permute(1, 2, 0))[inside], places[inside], atol=0.02, rtol=0
        )


def test_close_ups_are_upright_and_have_the_face_in_the_middle():
    upright = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 2.1]])
    for degrees in (0, 40, 170, -90):
        angle = torch.tensor(math.radians(degrees))
        turn = torch.stack(
            [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
        )
        points = 30 * upright @ turn.T + 200
        frame = close_frames(points[None])[0]
        inside = torch.linalg.solve(frame[:, :2], (points - frame[:, 2]).T).T
        torch.testing.assert_close(inside[0] * torch.tensor([-1.0, 1.0]), inside[1], atol=1e-4, rtol=0)
        assert inside[2, 0].abs() < 1e-4
        assert inside[0, 0] < 0 < inside[2, 1]
        assert inside.abs().max() < 0.6


def test_overlap_is_intersection_over_union():
    one = torch.tensor([[0.0, 0.0, 4.0, 4.0], [10.0, 10.0, 12.0, 11.0]])
    two = torch.tensor([[2.0, 0.0, 6.0, 4.0], [10.0, 10.0, 12.0, 11.0], [3.0, 3.0, 3.0, 9.0]])
    expected = torch.tensor([[8 / 24, 0.0, 0.0], [0.0, 1.0, 0.0]])
    torch.testing.assert_close(overlap(one, two), expected)
