"""Photographs of nobody for all tests (assets/faces/README.md), and ones that are hard to use."""

from __future__ import annotations

from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[1] / "assets"


@pytest.fixture(scope="session")
def photograph():
    """Path of a photograph of one face, 512 x 640."""
    return ASSETS / "photo.jpg"


@pytest.fixture(scope="session")
def photograph_points():
    """(478, 3) points of its face: x, y and depth in pixels."""
    import numpy as np
    import torch

    return 2 * torch.from_numpy(np.load(ASSETS / "faces" / "landmarks.npy")[0].astype(np.float32))


@pytest.fixture(scope="session")
def photographs():
    """A folder of portraits as the corpus of talking photographs reads it: one face per split."""
    return ASSETS / "faces"


@pytest.fixture(scope="session")
def hard_photographs(tmp_path_factory, photograph, photograph_points, photographs):
    """Name -> ``pictures.Picture``: files that show a face badly, two faces or none, with the true points."""
    from .pictures import make_pictures

    return make_pictures(tmp_path_factory.mktemp("pictures"), photograph, photograph_points, photographs)
