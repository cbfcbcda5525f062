"""Asynchronous forward process: every latent has its own noise level."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor


def add_noise(z0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Z(t) = (1 - t) Z(0) + t eps (eq. 13), in float32.

    Args:
        z0: (B, C, 1+f, h, w), clean latents, z_R first (eq. 11).
        noise: (B, C, 1+f, h, w), eps.
        t: (B, 1+f) in 0..1; a latent with t = 0 is unchanged.

    Returns:
        (B, C, 1+f, h, w), of the type of ``z0``.
    """
    t = rearrange(t, "b f -> b 1 f 1 1").float()
    return ((1.0 - t) * z0.float() + t * noise.float()).to(z0.dtype)


def velocity_target(z0: Tensor, noise: Tensor) -> Tensor:
    """v = eps - Z(0) (eq. 14), so that Z(t) - t v = Z(0). Shapes (B, C, 1+f, h, w).

    Frame 0 is z_R, which is never generated: leave it out of the loss (eq. 15).
    """
    return noise - z0
