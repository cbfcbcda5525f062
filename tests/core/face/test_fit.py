"""Fitting the finder: reproducible, learning, and written in the form in which it is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from read_core.face.finder import load_finder
from read_core.face.fit import FitSettings, train_finder
from read_core.face.material import drawn_presenters


@pytest.fixture(scope="module")
def material():
    rng = np.random.default_rng(0)
    grounds = [
        Image.fromarray(rng.integers(0, 255, (9, 12, 3), np.uint8)).resize((160, 120)) for _ in range(3)
    ]
    return drawn_presenters(3, "train"), grounds


def test_the_same_seed_gives_the_same_weights(tmp_path, material):
    portraits, grounds = material
    settings = FitSettings(steps=4, batch=2, fresh=2, close=2, side=96)
    for name in "ab":
        train_finder(portraits, grounds, tmp_path / name, settings)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert {value.dtype for value in load_file(tmp_path / "a").values()} == {torch.float16}
    assert not any(weight.requires_grad for weight in load_finder(tmp_path / "a").parameters())


def test_training_reduces_the_loss(tmp_path, material):
    portraits, grounds = material
    short, long = (FitSettings(steps=steps, batch=4, fresh=2, close=4, side=96) for steps in (4, 25))
    first = train_finder(portraits, grounds, tmp_path / "w", short)
    later = train_finder(portraits, grounds, tmp_path / "w", long)
    assert later < 0.7 * first
