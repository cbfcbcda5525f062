"""A linear codec with the same compression as the VAE: a baseline for the trained one.

Blocks of 8 frames x 32 x 32 pixels (24,576 numbers) are represented by their leading principal components. As
in the VAE, the first frame is a separate block: it is repeated eight times, and decoded to one frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from ...errors import InputError
from ...geometry import FRAMES_PER_LATENT, PIXELS_PER_LATENT, latents_of_frames

_OVERSAMPLING = 16
_POWER_ITERATIONS = 3


class LinearCodec:
    """Principal components of video blocks.

    Args:
        mean: (24576,).
        basis: (24576, k) orthonormal.
    """

    def __init__(self, mean: Tensor, basis: Tensor) -> None:
        self.mean = mean
        self.basis = basis

    @classmethod
    def fit(cls, clips: Sequence[Tensor], components: int = 128, seed: int = 0) -> LinearCodec:
        """Fit by randomized PCA on clips (8 n + 1, H, W, 3) in 0..1; one component per latent channel.

        Raises:
            InputError: a clip is not a whole number of blocks, or there are fewer blocks than components.
        """
        rows = torch.cat([_blocks(clip) for clip in clips])
        if len(rows) <= components:
            raise InputError(f"{len(rows)} blocks cannot give {components} components; fit on more clips")
        mean = rows.mean(dim=0)
        rows -= mean
        generator = torch.Generator().manual_seed(seed)
        width = min(components + _OVERSAMPLING, len(rows))
        directions = torch.randn(rows.shape[1], width, generator=generator)
        for _ in range(_POWER_ITERATIONS):
            directions = torch.linalg.qr(rows.T @ (rows @ directions))[0]
        _, _, right = torch.linalg.svd(rows @ directions, full_matrices=False)
        return cls(mean, directions @ right[:components].T)

    def encode(self, frames: Tensor) -> Tensor:
        """(8 (L - 1) + 1, H, W, 3) in 0..1 -> (k, L, h, w)."""
        height, width = (side // PIXELS_PER_LATENT for side in frames.shape[1:3])
        codes = (_blocks(frames) - self.mean) @ self.basis
        latents: Tensor = rearrange(codes, "(l h w) k -> k l h w", h=height, w=width)
        return latents

    def decode(self, codes: Tensor) -> Tensor:
        """(k, L, h, w) -> (8 (L - 1) + 1, H, W, 3), clamped to 0..1."""
        rows = rearrange(codes, "k l h w -> (l h w) k") @ self.basis.T + self.mean
        frames: Tensor = rearrange(
            rows, "(l h w) (t p q c) -> (l t) (h p) (w q) c", h=codes.shape[2], w=codes.shape[3],
            t=FRAMES_PER_LATENT, p=PIXELS_PER_LATENT, q=PIXELS_PER_LATENT,
        )  # fmt: skip
        first = frames[:FRAMES_PER_LATENT].mean(dim=0, keepdim=True)
        return torch.cat([first, frames[FRAMES_PER_LATENT:]]).clamp(0, 1)


def blocks_of(frames: int, height: int, width: int) -> int:
    """Number of blocks in a clip of 8 n + 1 ``frames``."""
    return (latents_of_frames(frames) + 1) * (height // PIXELS_PER_LATENT) * (width // PIXELS_PER_LATENT)


def _blocks(frames: Tensor) -> Tensor:
    """(8 n + 1, H, W, 3) -> (blocks, 24576), with the first frame repeated to a full block."""
    count, height, width = frames.shape[:3]
    if count % FRAMES_PER_LATENT != 1 or height % PIXELS_PER_LATENT or width % PIXELS_PER_LATENT:
        raise InputError(
            f"{count} frames of {height} x {width} pixels; expected 8 n + 1 frames, multiples of 32"
        )
    padded = torch.cat([frames[:1].expand(FRAMES_PER_LATENT - 1, -1, -1, -1), frames]).float()
    blocks: Tensor = rearrange(
        padded, "(l t) (h p) (w q) c -> (l h w) (t p q c)",
        t=FRAMES_PER_LATENT, p=PIXELS_PER_LATENT, q=PIXELS_PER_LATENT,
    )  # fmt: skip
    return blocks
