"""Random numbers of training samples. They depend only on the seed and the sample's index.

So a step of several processes, or of several batches, draws what one batch of all samples draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

_STREAM = 1  # the samples themselves draw from other seeds


class SampleNoise:
    """Random numbers of the samples of one batch, drawn on the CPU.

    Attributes:
        generators: one per sample, for draws that need one.
    """

    def __init__(self, seed: int, indices: Iterable[int]) -> None:
        self.generators = [torch.Generator().manual_seed(_seed_of(seed, index)) for index in indices]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal (B, ``*shape``) float32."""
        return self._drawn(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in 0..1, (B, ``*shape``) float32."""
        return self._drawn(torch.rand, shape)

    def _drawn(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        return torch.stack([draw(shape, generator=generator) for generator in self.generators])


def _seed_of(seed: int, index: int) -> int:
    return int(np.random.SeedSequence([seed, index, _STREAM]).generate_state(1)[0])
