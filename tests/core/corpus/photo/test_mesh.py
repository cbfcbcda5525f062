"""Meshes completed from sixteen points, against meshes of faces that no fit saw."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.corpus.photo import mesh
from read_core.corpus.photo.anatomy import eyes_and_mouth
from read_core.corpus.photo.mesh import mesh_of
from read_core.corpus.photo.stills import find_stills
from read_core.face.network import FEATURES


@pytest.fixture(scope="module")
def truth(photograph_points):
    return photograph_points


@pytest.fixture(scope="module")
def distance(truth):
    left, right, _ = eyes_and_mouth(truth)
    return float((right - left).norm())


def test_the_rest_of_the_face_follows_from_the_points(truth, distance):
    found = mesh_of(truth[list(FEATURES), :2])
    away = (found - truth)[:, :2].norm(dim=1) / distance
    assert found.shape == (478, 3)
    assert float(away[list(FEATURES)].mean()) < 0.02
    assert float(away.mean()) < 0.06
    assert float(away.max()) < 0.25
    depth, true_depth = (mesh[:, 2] - mesh[:, 2].mean() for mesh in (found, truth))
    assert float((depth - true_depth).abs().mean()) / distance < 0.1
    assert float(torch.corrcoef(torch.stack([depth, true_depth]))[0, 1]) > 0.95


@pytest.mark.parametrize("angle", [0.0, 0.5, -2.0])
def test_the_mesh_moves_with_the_points(truth, angle):
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = truth[list(FEATURES), :2]
    plain, moved = mesh_of(points), mesh_of(0.5 * points @ turn.T + 70)
    torch.testing.assert_close(moved[:, :2], 0.5 * plain[:, :2] @ turn.T + 70, atol=0.05, rtol=0)
    torch.testing.assert_close(moved[:, 2], 0.5 * plain[:, 2], atol=0.05, rtol=0)


def test_the_fit_brings_back_what_it_was_fitted_to(tmp_path, photographs, monkeypatch):
    """There is one face in the training split here."""
    monkeypatch.setattr(mesh, "WEIGHTS", tmp_path / "mesh.safetensors")
    mesh._fitted.cache_clear()
    mesh.fit_mesh(photographs, mesh.WEIGHTS)
    landmarks = find_stills(photographs, "train")[0].landmarks
    found = mesh.mesh_of(landmarks[list(FEATURES), :2])
    mesh._fitted.cache_clear()
    torch.testing.assert_close(found, landmarks, atol=0.3, rtol=0)
