"""A portrait, a recording, and a checkpoint's defaults."""

from __future__ import annotations

import wave

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.checkpoint import describe


@pytest.fixture(autouse=True)
def threads():
    """Threads of torch as before: an actor in this process changes them."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path):
    """A portrait and a short recording."""
    values = np.random.default_rng(0).integers(-9000, 9000, 16_000 // 4, np.int16)
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        file.writeframes(values.tobytes())
    Image.fromarray(np.full((64, 96, 3), 120, np.uint8)).save(tmp_path / "face.png")
    return tmp_path


@pytest.fixture
def defaults(tiny_checkpoint):
    return describe(tiny_checkpoint).defaults
