"""Fitting the reader of points: its squares show what their places say, and it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from read_core.face.fit_points import PointSettings, aligned_faces, drawn_squares, train_points
from read_core.face.glasses import with_glasses
from read_core.face.material import Portrait, drawn_presenters
from read_core.face.network import EYE_POINTS, MOUTH_POINTS, POINT_SIDE, FaceFinder
from read_core.weights.bundled import save_bundled


@pytest.fixture(scope="module")
def presenters():
    return drawn_presenters(3, "train")


def marked(count=6):
    """Faces that are one bright spot at each of their points, spread as a face's are, and those points."""
    generator = torch.Generator().manual_seed(0)
    eye = torch.tensor([[-0.2, 0.0], [0.2, 0.0], [0.0, -0.07], [0.0, 0.07], [0.0, 0.0]])
    mouth = torch.tensor([[-0.3, 0.0], [0.3, 0.0], [0.0, -0.2], [0.0, -0.06], [0.0, 0.06], [0.0, 0.2]])
    middles = torch.tensor([[-0.5, -0.33], [0.5, -0.33], [0.0, 0.67]])
    parts = (middles, eye + middles[0], eye * torch.tensor([-1.0, 1.0]) + middles[1], mouth + middles[2])
    points = torch.cat(parts) + 0.02 * torch.randn(count, 1, 2, generator=generator)
    steps = (torch.arange(160) + 0.5) / 40 - 2
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
    distance = (places - points[:, 3:, None, None]).norm(dim=-1)
    spots = torch.exp(-((distance / 0.04) ** 2)).amax(1)
    return (255 * spots).byte()[:, None].expand(-1, 3, -1, -1), points


def test_squares_show_the_points_where_they_say(monkeypatch):
    """Without spoiling, every square is bright where its points are and dark between them."""
    same = "read_core.face.fit_points."
    monkeypatch.setattr(f"{same}_spoiled", lambda pictures, _: pictures)
    monkeypatch.setattr(f"{same}with_glasses", lambda pictures, *_: pictures)
    monkeypatch.setattr(f"{same}_behind_bar", lambda pictures, *_: pictures)
    pictures, points = marked()
    squares, (eyes, mouths) = drawn_squares(pictures, points, torch.Generator().manual_seed(1))
    assert squares.shape == (18, 3, POINT_SIDE, POINT_SIDE)
    assert eyes.shape == (12, 1 + EYE_POINTS, 2)
    assert mouths.shape == (6, 1 + MOUTH_POINTS, 2)
    for square, points in zip(squares, (*eyes, *mouths), strict=True):
        inside = points[1:][(points[1:].abs() < 0.95).all(1)]
        shown = torch.nn.functional.grid_sample(square[None, :1], inside[None, None], align_corners=False)
        assert float(shown.min()) > 0.3
        assert float(square.mean()) < 0.35
        torch.testing.assert_close(points[0], points[1:3].mean(0), atol=1e-4, rtol=0)
    outer = [eyes[:6], eyes[6:]]  # the outer corner is at the left in the mirrored squares, too
    assert all(bool((part[:, 1, 0] < part[:, 2, 0]).all()) for part in outer)
    assert bool((mouths[:, 1, 0] < mouths[:, 2, 0]).all())


def test_glasses_lie_around_the_eyes():
    steps = torch.linspace(-1.5, 1.5, 90)
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).expand(8, -1, -1, -1)
    eyes = torch.tensor([[-0.5, 0.0], [0.5, 0.0]]).expand(8, 2, 2)
    plain = torch.full((8, 3, 90, 90), 0.6)
    worn = with_glasses(plain, places, eyes, torch.Generator().manual_seed(0))
    changed = (worn - plain).abs().amax(1) > 0.05
    assert bool(changed[:, places[0, ..., 1].abs() < 0.5].any(1).all())
    assert not bool(changed[:, places[0, ..., 1].abs() > 0.9].any())
    assert float(worn.min()) >= 0
    assert float(worn.max()) <= 1


def test_faces_are_cut_with_their_points(presenters):
    pictures, points = aligned_faces(presenters)
    assert pictures.shape == (3, 3, 160, 160)
    assert pictures.dtype == torch.uint8
    distances = (points[:, 1] - points[:, 0]).norm(dim=1)
    torch.testing.assert_close(distances, torch.ones(3))
    torch.testing.assert_close(points[:, :3].mean(1), torch.zeros(3, 2), atol=1e-5, rtol=0)
    assert bool(points[:, 3:].isnan().all())


def with_features(presenter):
    """A presenter whose features are taken for known: all in the middles of eyes and mouth."""
    left, right, mouth = presenter.points
    features = np.array([left] * 5 + [right] * 5 + [mouth] * 6)
    return Portrait(presenter.picture, presenter.points, presenter.outline, features)


def test_training_reduces_the_error_and_leaves_the_rest_alone(tmp_path, presenters):
    torch.manual_seed(0)
    file = tmp_path / "finder.safetensors"
    save_bundled(FaceFinder(), file)
    before = load_file(file)
    known = [presenters[0], *map(with_features, presenters[1:])]
    first = train_points(known, file, PointSettings(steps=4, batch=4))
    later = train_points(known, file, PointSettings(steps=40, batch=4))
    assert later < 0.9 * first
    after = load_file(file)
    assert all(torch.isfinite(value).all() for value in after.values())
    for name, value in before.items():
        assert torch.equal(value, after[name]) != name.startswith("point.") or value.numel() < 2
