"""Noise that depends only on the seed and the latent's index, not on device, order, batching or length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..checks import check_seed
from ..errors import InputError

SAMPLING_STREAM = 0
DECODING_STREAM = 1


@dataclass(frozen=True)
class LatentNoise:
    """Standard normal noise, latent by latent, from a counter-based generator on the CPU.

    Latent i is a function of only (seed, stream, i). So a longer recording starts with the noise of a shorter
    one, and any slice can be drawn separately.

    Attributes:
        seed: within ``limits.SEED``; each gives different noise.
        channels: C.
        height: h, in latents.
        width: w, in latents.
        stream: which of a seed's independent streams: ``SAMPLING_STREAM`` or ``DECODING_STREAM``.

    Raises:
        InputError: the seed is out of range; in a call, not 0 <= start <= stop.
    """

    seed: int
    channels: int
    height: int
    width: int
    stream: int = SAMPLING_STREAM

    def __post_init__(self) -> None:
        check_seed(self.seed)

    def __call__(self, start: int, stop: int) -> Tensor:
        """Noise of latents ``start`` to ``stop``, 0-based: (1, C, stop - start, h, w) float32, on the CPU."""
        if not 0 <= start <= stop:
            raise InputError(f"noise requested for latents {start} to {stop}; expected 0 <= start <= stop")
        noise = torch.empty(1, self.channels, stop - start, self.height, self.width)
        for index in range(start, stop):
            noise[0, :, index - start] = self._latent(index)
        return noise

    def _latent(self, index: int) -> Tensor:
        """(C, h, w): the generator's key is (seed, stream), the upper half of its counter the index."""
        key = np.array([self.seed, self.stream], dtype=np.uint64)
        counter = np.array([0, 0, index, 0], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
        shape = (self.channels, self.height, self.width)
        return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
