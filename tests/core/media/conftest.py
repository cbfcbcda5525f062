"""A portrait of known pixels."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def gradient():
    """(24, 40, 3) uint8, different along both axes and in every channel."""
    y, x = np.mgrid[0:24, 0:40]
    return np.stack([x * 6, y * 10, (x + y) * 3], axis=-1).astype(np.uint8)
