"""How a head moves."""

from __future__ import annotations

import hashlib
import math
import random
from typing import NamedTuple

import torch
from torch import Tensor

from ..face.paste import smooth
from ..geometry import FPS

POSE = ("yaw", "pitch", "roll", "x", "y", "scale")
STRENGTH = (0.050, 0.033, 0.013, 0.021, 0.015, 0.005)
"""Root mean squares of the pose: radians, shifts in eye distances, relative change of size."""
WAVES = 5  # per value of the pose
SLOWEST, QUICKEST = 0.07, 0.55  # Hz
RISE = 1.5  # seconds until the motion has its full strength


class _Wave(NamedTuple):
    """A sine of ``height``, at ``frequency`` in Hz and ``phase`` in radians."""

    height: float
    frequency: float
    phase: float


class HeadTrack:
    """Pose of a head over the frames of a video of any length: sums of slow waves.

    The same seed gives the same motion. It does not depend on the length or on how the frames are divided.
    The first frame has the pose of the portrait.

    Args:
        seed: seed of the motion.
    """

    def __init__(self, seed: int) -> None:
        source = random.Random(hashlib.sha256(f"head/{seed}".encode()).digest())
        self._waves = [_draw_waves(source, strength) for strength in STRENGTH]

    def pose(self, start: int, stop: int) -> Tensor:
        """Values of ``POSE`` for the frames ``start`` to ``stop``: (stop - start, 6), around 0."""
        seconds = torch.arange(start, stop, dtype=torch.float64)[:, None, None] / FPS
        height, frequency, phase = torch.tensor(self._waves, dtype=torch.float64).unbind(-1)
        values = (height * torch.sin(2 * math.pi * frequency * seconds + phase)).sum(-1)
        return (values * smooth(seconds[:, 0] / RISE)).float()


def _draw_waves(source: random.Random, strength: float) -> list[_Wave]:
    """Waves with a common root mean square of ``strength``; quick ones are lower."""
    shares = [(index + source.random()) / WAVES for index in range(WAVES)]
    frequencies = [SLOWEST * (QUICKEST / SLOWEST) ** share for share in shares]
    heights = [1 / math.sqrt(frequency) for frequency in frequencies]
    unit = strength / math.sqrt(sum(height * height for height in heights) / 2)
    return [
        _Wave(unit * height, frequency, source.uniform(0, 2 * math.pi))
        for height, frequency in zip(heights, frequencies, strict=True)
    ]
