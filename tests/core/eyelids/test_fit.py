"""Eyes to learn from, and a short training on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from read_core.eyelids.fit import FitSettings, eyelid_loss, train_eyelids
from read_core.eyelids.material import EyePatches, drawn_eyes, eye_material, photographed_eyes
from read_core.eyelids.network import change_patches
from read_core.eyelids.patches import GRID

FACES = Path(__file__).parents[3] / "assets" / "faces"


@pytest.fixture(scope="module")
def drawn():
    return EyePatches.joined(list(drawn_eyes("train", 4, poses=2, closures=3)))


def mean_change(eyes, index):
    return (eyes.closing[:, index].float() - eyes.open.float()).abs().mean((1, 2, 3))


def test_eyes_close_and_only_as_far_as_they_say(drawn):
    assert drawn.open.shape == (16, 3, *GRID)
    assert drawn.closing.shape == (16, 3, 3, *GRID)
    assert (drawn.closure[:, 0] == 1).all()
    assert (drawn.closure[:, 1:] > 0).all()
    assert (drawn.closure[:, 1:] < 1).all()
    shut, partly = mean_change(drawn, 0), mean_change(drawn, 1)
    assert (shut > 5).all()
    assert (shut >= partly).float().mean() > 0.8


def test_photographed_eyes_of_a_split(tmp_path):
    (eyes,) = photographed_eyes(FACES, "test", 1, poses=2, closures=2)
    assert eyes.open.shape == (4, 3, *GRID)
    assert (mean_change(eyes, 0) > 2).all()
    both = eye_material(FACES, "test", 1, 1, poses=2, closures=2)
    assert torch.equal(both.open[:4], eyes.open)
    assert len(both.open) == 8


def test_a_short_training_closes_eyes_and_repeats_exactly(drawn):
    settings = FitSettings(steps=60, batch=8)
    network = train_eyelids(drawn, settings)
    before, target = drawn.open.float() / 255, drawn.closing[:, 0].float() / 255
    with torch.no_grad():
        made = change_patches(before, network(before, drawn.closure[:, 0]))
    assert eyelid_loss(made, before, target) < 0.7 * eyelid_loss(before, before, target)
    few = FitSettings(steps=2, batch=4)
    one, other = train_eyelids(drawn, few).state_dict(), train_eyelids(drawn, few).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
