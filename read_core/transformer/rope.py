"""Rotary position embedding over time, row and column, in seconds and pixels as in LTX-Video's pipelines."""

from __future__ import annotations

import math
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ..geometry import FPS, FRAMES_PER_LATENT, PIXELS_PER_LATENT

THETA = 10_000.0
BASE_SECONDS = 20
BASE_PIXELS = 2048


def video_coordinates(
    frames: int,
    height: int,
    width: int,
    *,
    continuation: bool,
    causal: bool,
    device: torch.device | None = None,
) -> Tensor:
    """Coordinates of each latent token.

    Args:
        frames: number of latents L, z_R first.
        height: latent rows h.
        width: latent columns w.
        continuation: True if z_R is not the latent before z_1 (later clips): latent indices 0, 2, 3, ...
            instead of 0, 1, 2, ...
        causal: latent i is at max(0, 8 i - 7) frames; False: at 8 i (LTX-Video up to 0.9.1).

    Returns:
        (3, L h w) float32: seconds, row in pixels, column in pixels.
    """
    index = torch.arange(frames, device=device)
    if continuation:
        index = index + (index > 0)
    first = FRAMES_PER_LATENT * index
    if causal:
        first = (first - (FRAMES_PER_LATENT - 1)).clamp(min=0)
    seconds = first.float() / FPS
    rows = torch.arange(height, device=device).float() * PIXELS_PER_LATENT
    columns = torch.arange(width, device=device).float() * PIXELS_PER_LATENT
    return torch.stack(torch.meshgrid(seconds, rows, columns, indexing="ij")).flatten(1)


def rotary_angles(coordinates: Tensor, dim: int) -> Tensor:
    """Rotation angle of each pair of channels.

    Args:
        coordinates: (3, N), seconds and pixels.
        dim: channels D over all heads, even.

    Returns:
        (N, D / 2) float32. Frequencies vary slowest, then time, row, column. The remainder of D / 6 comes
            first, with angle 0.
    """
    extent = coordinates.new_tensor([BASE_SECONDS, BASE_PIXELS, BASE_PIXELS])
    position = (coordinates / extent[:, None]).T * 2 - 1  # (N, 3), -1 .. 1 over the extent
    exponent = torch.linspace(0, 1, dim // 6, device=coordinates.device)
    frequency = THETA**exponent * (math.pi / 2)
    angles = (frequency[:, None] * position[:, None, :]).flatten(1)  # (N, D // 6 * 3)
    return nn.functional.pad(angles, (dim // 2 - angles.shape[1], 0))


def apply_rotary(x: Tensor, rotary: Tensor) -> Tensor:
    """Rotate neighboring pairs of channels as complex numbers, in float32.

    Args:
        x: (B, N, D).
        rotary: (B or 1, N, D / 2) complex64 of modulus 1.
    """
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotary).flatten(-2).to(x.dtype)


class RotaryEmbedding(nn.Module):
    """Rotations of a latent grid; those of the last grid are cached. It has no parameters.

    Args:
        dim: channels over all heads.
        causal: see `video_coordinates`.
    """

    def __init__(self, dim: int, causal: bool) -> None:
        super().__init__()
        self.dim = dim
        self.causal = causal
        self._kept: tuple[tuple[tuple[int, int, int], torch.device], Tensor] | None = None

    def _apply(self, *arguments: Any, **options: Any) -> Any:
        self._kept = None  # else a module that leaves a GPU would leave this there
        return super()._apply(*arguments, **options)  # type: ignore[no-untyped-call]

    def forward(
        self, grid: tuple[int, int, int], continuation: Tensor | bool, device: torch.device
    ) -> Tensor:
        """(B, L, h w, D / 2) complex64, latent by latent; (1, L, h w, D / 2), not copied, if all are alike.

        Args:
            grid: latents, rows and columns.
            continuation: (B,) bool, per item, see `video_coordinates`, or one for all.
        """
        both = self._tables(grid, device)
        if isinstance(continuation, bool):
            return both[int(continuation)][None]
        return both[continuation.to(device=device, dtype=torch.long)]

    def _tables(self, grid: tuple[int, int, int], device: torch.device) -> Tensor:
        """Both variants, continuation False and True: (2, L, h w, D / 2)."""
        if self._kept is None or self._kept[0] != (grid, device):
            with torch.inference_mode(False):  # so that training can use tables cached during sampling
                angles = torch.stack([self._angles(grid, later, device) for later in (False, True)])
                tables = torch.polar(torch.ones_like(angles), angles)
                self._kept = ((grid, device), rearrange(tables, "k (f n) d -> k f n d", f=grid[0]))
        return self._kept[1]

    def _angles(self, grid: tuple[int, int, int], continuation: bool, device: torch.device) -> Tensor:
        coordinates = video_coordinates(*grid, continuation=continuation, causal=self.causal, device=device)
        return rotary_angles(coordinates, self.dim)
