"""The loss of stage ``distill``: the error against the teacher's average velocity over several steps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ...ans.cells import euler_step

Velocity = Callable[[Tensor, Tensor], Tensor]


def average_velocity(velocity: Velocity, z: Tensor, times: Tensor) -> Tensor:
    """The velocity with which one Euler step equals several of ``velocity``.

    Args:
        velocity: velocity(z, t) -> (S, C, L, h, w).
        z: (S, C, L, h, w).
        times: (m+1, S, L), falling, or equal for latents that stand still.

    Returns:
        (S, C, L, h, w) float32, 0 for latents that stand still.
    """
    end = z.float()
    for now, after in pairwise(times):
        end = euler_step(end, velocity(end, now), now, after)
    span = (times[-1] - times[0])[:, None, :, None, None]
    return torch.where(span == 0, 0.0, (end - z) / torch.where(span == 0, 1.0, span))


def velocity_error(velocity: Tensor, target: Tensor, times: Tensor, weights: Tensor) -> Tensor:
    """Weighted squared error, mean over the latents that move, then over states.

    Args:
        velocity, target: (S, C, L, h, w).
        times: (m+1, S, L), as in :func:`average_velocity`.
        weights: (S, h, w).

    Returns:
        A scalar.
    """
    error = (velocity.float() - target).square().mean(1) * weights[:, None]
    moves = (times[0] != times[-1]).to(error)
    return ((error.mean((2, 3)) * moves).sum(1) / moves.sum(1)).mean()
