"""Random weights whose normalizations differ from the identity and keep values near 1."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def randomized(network: Network, seed: int = 0) -> Network:
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        drawn = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
            value.copy_(drawn.abs() + 0.5)
        elif value.ndim == 1:
            value.copy_(drawn * 0.2)
        else:
            value.copy_(drawn * (2 / value[0].numel()) ** 0.5)
    return network.eval().requires_grad_(False)
