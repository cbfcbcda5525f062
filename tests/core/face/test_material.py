"""Portraits with known points, and pictures without faces."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.corpus.drawing import presenter as presenters
from read_core.errors import MediaError
from read_core.face.material import backgrounds, drawn_presenters, photographs, split_of


def test_the_points_of_drawn_presenters_are_where_eyes_and_lips_are_drawn(monkeypatch):
    """What changes with the color of the iris, or of the lips, is around the points."""
    plain = drawn_presenters(4, "test", seed=3)
    sample = presenters.sample_presenter
    for parts, color in ((0, "eye_color"), (2, "lip_color")):
        changed: dict[str, Any] = {color: (0.0, 1.0, 0.0)}
        monkeypatch.setattr(
            presenters,
            "sample_presenter",
            lambda *args: replace(sample(*args), **changed),  # noqa: B023
        )
        for face, other in zip(plain, drawn_presenters(4, "test", seed=3), strict=True):
            change = np.abs(np.asarray(face.picture, float) - np.asarray(other.picture, float)).sum(2)
            x, y = np.meshgrid(np.arange(change.shape[1]) + 0.5, np.arange(change.shape[0]) + 0.5)
            eyes = np.linalg.norm(face.points[1] - face.points[0])
            for point in face.points[parts : parts + 2]:
                near = change * (np.hypot(x - point[0], y - point[1]) < 0.5 * eyes)
                centroid = np.array([(near * x).sum(), (near * y).sum()]) / near.sum()
                assert np.linalg.norm(centroid - point) < 0.17 * eyes


@pytest.fixture
def faces(tmp_path):
    """Three photographs, one of each split, with made-up landmarks."""
    (tmp_path / "images").mkdir()
    names = ["a-00103.jpg", "a-00109.jpg", "b-00250.jpg"]
    rng = np.random.default_rng(0)
    for name in names:
        Image.fromarray(rng.integers(0, 255, (320, 320, 3), np.uint8)).save(tmp_path / "images" / name)
    meshes = rng.uniform(90, 230, (3, 478, 3)).astype(np.float16)
    np.save(tmp_path / "landmarks.npy", meshes)
    (tmp_path / "index.json").write_text(json.dumps([{"file": name} for name in names]))
    return tmp_path, meshes.astype(float)


def test_photographs_are_split_by_number_and_have_the_corners_middles(faces):
    folder, meshes = faces
    assert [split_of(f"x-{number:05}.jpg") for number in (107, 108, 115, 116)] == [
        *("test", "validation", "validation", "train")
    ]
    for index, split in enumerate(("test", "validation", "train")):
        (face,) = photographs(folder, split)
        shift = (face.picture.width - 320) / 2
        middles = [
            (meshes[index, a, :2] + meshes[index, b, :2]) / 2 for a, b in ((33, 133), (362, 263), (61, 291))
        ]
        np.testing.assert_allclose(face.points, np.array(middles) + shift, atol=1e-6)
        assert (face.outline >= shift).all()


def test_a_folder_without_landmarks_is_refused(tmp_path):
    with pytest.raises(MediaError, match=r"landmarks\.npy"):
        photographs(tmp_path, "train")


def test_backgrounds_are_taken_once_and_without_people(tmp_path):
    folder = tmp_path / "pictures"
    for name in ("deep/people", "deep/sky"):
        (folder / name).mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    pictures = [
        Image.fromarray((255 * torch.rand(4, 4, 3, generator=generator)).byte().numpy()).resize((300, 200), 0)
        for _ in range(3)
    ]
    pictures[0].save(folder / "a.png")
    pictures[0].resize((150, 100)).save(folder / "b.png")  # the same, smaller
    pictures[1].save(folder / "deep" / "people" / "c.png")
    pictures[2].save(folder / "deep" / "sky" / "d.jpg")
    pictures[2].resize((40, 40)).save(folder / "icon.png")
    cut_out = pictures[1].convert("RGBA")
    cut_out.putalpha(Image.linear_gradient("L").resize((300, 200)))
    cut_out.save(folder / "e.png")
    found = backgrounds([folder], 200)
    assert [picture.mode for picture in found] == ["RGB", "RGB", "RGBA"]
    assert all(max(picture.size) == 200 for picture in found)
    with pytest.raises(MediaError, match="no picture"):
        backgrounds([folder, folder / "deep" / "nothing"], 200)
