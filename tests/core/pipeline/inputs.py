"""What the tests of the pipeline give it."""

from __future__ import annotations

import torch

SIZE = (64, 64)
FRAMES = 59  # 8 latents: 4 clips of window 4


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise_like_speech(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=generator(seed))


def random_codes(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, count, 3, 10, generator=generator(seed))
