"""When a face blinks."""

from __future__ import annotations

import hashlib
import random

import torch
from torch import Tensor

from ..geometry import FPS

FIRST = (0.8, 3.5)  # seconds before the first blink
PAUSE = (2.0, 6.0)  # seconds from one blink to the next: 15 a minute
SHAPES = (
    (0.6, 1.0, 0.9, 0.5, 0.15),
    (0.5, 1.0, 1.0, 0.7, 0.35, 0.1),
    (0.35, 0.9, 1.0, 0.9, 0.6, 0.3, 0.1),
)
"""Closure of the frames of a blink: the lids fall quickly and rise more slowly."""


class BlinkTimes:
    """Closure of the lids over the frames of a video of any length.

    The same seed gives the same blinks. They do not depend on the length or on how the frames are divided.
    The first frame shows open eyes, as the portrait does.

    Args:
        seed: seed of the times.
    """

    def __init__(self, seed: int) -> None:
        digest = hashlib.sha256(f"blinks/{seed}".encode()).digest()
        self._random = random.Random(digest)
        self._next = round(self._random.uniform(*FIRST) * FPS)
        self._closure: list[float] = []

    def closure(self, start: int, stop: int) -> Tensor:
        """Closure of the frames ``start`` to ``stop``, 0 open .. 1 shut: (stop - start,)."""
        while len(self._closure) < stop:
            shape = self._random.choice(SHAPES)
            self._closure += [0.0] * (self._next - len(self._closure)) + list(shape)
            self._next += round(self._random.uniform(*PAUSE) * FPS)
        return torch.tensor(self._closure[start:stop])
