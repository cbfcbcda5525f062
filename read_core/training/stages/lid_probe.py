"""A probe that teaches the VAE's latents to encode how far the eyelids are closed."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from ...geometry import FRAMES_PER_LATENT


class LidProbe(nn.Module):
    """A linear map from latents to how far the lids are closed in each frame.

    It reads a latent's change since the first one, which is the portrait's.

    Args:
        channels: C of the latents.
        grid: rows h and columns w.
    """

    gain = 10.0  # it learns as fast as the encoder that it teaches

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.map = nn.Linear(channels * grid[0] * grid[1], FRAMES_PER_LATENT)
        nn.init.zeros_(self.map.weight)

    def forward(self, latents: Tensor) -> Tensor:
        """(b, C, l, h, w) -> (b, 8 (l - 1)), 0 open to 1 closed, of the frames after the first."""
        changes = latents[:, :, 1:] - latents[:, :, :1]
        lids: Tensor = self.gain * self.map(rearrange(changes, "b c l h w -> b l (c h w)"))
        return lids.flatten(1)
