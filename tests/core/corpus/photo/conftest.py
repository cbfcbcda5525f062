"""A puppet of a photograph of nobody, and stills that tell where each pixel of a frame comes from."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch

from read_core.corpus.motion import neutral_motion
from read_core.corpus.photo.puppet import MARGIN
from read_core.corpus.photo.scene import PhotoScene, load_puppet
from read_core.corpus.photo.stills import find_stills

SIZE = 96


@pytest.fixture(scope="session")
def scene(photographs):
    """A short scene of the photograph of the test split."""
    return PhotoScene(3, "test", 0.36, SIZE, photographs, "babble")


@pytest.fixture(scope="session")
def loaded(scene):
    """(puppet, landmarks in its crop)."""
    return load_puppet(find_stills(scene.faces, "test")[0], scene, random.Random(0))


@pytest.fixture(scope="session")
def puppet(loaded):
    """The puppet of a photograph with closed lips and open eyes."""
    return loaded[0]


@pytest.fixture(scope="session")
def ramp(puppet):
    """The same face in a still whose red and green are its pixels' own x and y in the crop, blue is 1."""
    side = puppet.still.shape[-1]
    steps = (torch.arange(side) + 0.5) / side  # of the still, margins included
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return dataclasses.replace(puppet, still=torch.stack([x, y, torch.ones_like(x)]))


@pytest.fixture(scope="session")
def white(puppet):
    """The same face, all white: what is darker in a frame is the inside of the mouth."""
    return dataclasses.replace(puppet, still=torch.ones_like(puppet.still))


def places(frames):
    """(F, H, W, 2): where in the crop the pixels of a frame of ``ramp`` come from."""
    return frames[..., :2] / frames[..., 2:] * (1 + 2 * MARGIN) - MARGIN


def grid(size):
    """(H, W, 2): the places of the pixels."""
    steps = (torch.arange(size) + 0.5) / size
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)


def moving(frames, **tracks):
    """A neutral motion of some frames with some tracks set to a value."""
    neutral = neutral_motion(frames)
    changed = {
        name: torch.as_tensor(value).float().expand_as(getattr(neutral, name)).clone()
        for name, value in tracks.items()
    }
    return dataclasses.replace(neutral, **changed)


def mouths(*rows):
    """(F, 3) of open, width, round."""
    return torch.tensor(rows, dtype=torch.float32)
