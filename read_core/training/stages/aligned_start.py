"""Start an aligned autoencoder as a linear codec with one basis per position.

The inner autoencoder starts as in ``vae_start.py``. The basis of a position has the leading principal
components of its block, in weighted pixels. It is then rotated so that a channel means about the same at all
positions, which helps the transformer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from ...video.aligned import AlignedAutoencoder, fold
from .vae_start import Level, orthogonal, patchify, start_decoder, start_encoder, start_latents

_COUNTED = 0.05  # smallest weight of a part of a block, relative to the mean weight


@torch.no_grad()
def initialize_aligned(
    vae: AlignedAutoencoder,
    clips: Sequence[Tensor],
    weights: Sequence[Tensor],
    more: Iterable[tuple[Tensor, Tensor]] = (),
    whitening: float = 0.5,
) -> None:
    """Set the weights of ``vae`` in place.

    Args:
        clips: (1, 3, 8n+1, H, W) each, -1..1, with the size of ``vae``'s grid.
        weights: (1, 1, 8n+1, H, W) each, the weight of every pixel.
        more: more clips and weights, only for the bases; they are not kept.
        whitening: 0 keeps the variances of the principal components, 1 makes them equal.
    """
    generator = torch.Generator().manual_seed(0)
    inner: Any = vae.autoencoder
    for module in inner.modules():
        if type(module).__name__ == "LTXVideoResnetBlock3d":
            torch.nn.init.zeros_(module.conv2.conv.weight)
            torch.nn.init.zeros_(module.conv2.conv.bias)
    size = inner.encoder.patch_size
    pixels = Level([patchify(c, size) for c in clips], [F.avg_pool3d(w, (1, size, size)) for w in weights])
    levels = start_encoder(inner.encoder, pixels)
    codes = start_latents(inner, levels, 0.0, generator)
    seen = [(fold(code), _block_weights(weight)) for code, weight in zip(codes, weights, strict=True)]
    seen += [(fold(inner.encode(c).latent_dist.mode()), _block_weights(w)) for c, w in more]
    _start_positions(vae, [b for b, _ in seen], [w for _, w in seen], whitening, generator)
    kept = [vae.up(vae.down(blocks)) for blocks, _ in seen[: len(codes)]]
    projected = [rearrange(k, "b (c t p q) l h w -> b c (l t) (h p) (w q)", t=2, p=2, q=2) for k in kept]
    start_decoder(inner.decoder, [p[:, :, 1:] for p in projected], pixels, levels, generator)


def _block_weights(weights: Tensor) -> Tensor:
    """(1, 1, 8n+1, H, W) -> weight of each 2 x 2 x 2 part of a block, (1, 8, L, h, w)."""
    fours = torch.cat([weights[:, :, :1], F.avg_pool3d(weights[:, :, 1:], (4, 1, 1))], dim=2)
    return fold(F.avg_pool3d(fours, (1, 16, 16)))


def _start_positions(
    vae: AlignedAutoencoder,
    blocks: Sequence[Tensor],
    weights: Sequence[Tensor],
    whitening: float,
    generator: torch.Generator,
) -> None:
    """Weighted principal components of each position's blocks (1, 8 c, L, h, w)."""
    (down_weight, down_bias), (up_weight, up_bias) = vae.down.maps(), vae.up.maps()
    height, width, kept, size = down_weight.shape
    mean = torch.stack([b.mean((0, 2, 3, 4)) for b in blocks]).mean(0)
    counted = torch.stack([w.mean((0, 2)) for w in weights]).mean(0)  # (8, h, w)
    scale = (counted / counted.mean()).clamp_min(_COUNTED).sqrt()
    scale = repeat(scale, "k h w -> h w (c k)", c=size // 8)
    rows = torch.cat([rearrange(b, "1 c l h w -> h w l c") for b in blocks], dim=2) - mean
    second = torch.zeros(height, width, size, size)
    for i in range(height):
        for j in range(width):
            scaled = rows[i, j] * scale[i, j]
            second[i, j] = scaled.T @ scaled / len(scaled)
    shared = _whitened(second.mean((0, 1)), kept, whitening)[0] @ orthogonal(kept, generator)
    for i in range(height):
        for j in range(width):
            down, up = _whitened(second[i, j], kept, whitening)
            left, _, right = torch.linalg.svd(down.T @ shared)
            turn = left @ right
            down_weight[i, j] = (down @ turn).T * scale[i, j]
            up_weight[i, j] = (up @ turn) / scale[i, j][:, None]
            down_bias[i, j] = -down_weight[i, j] @ mean
            up_bias[i, j] = mean


def _whitened(second: Tensor, kept: int, whitening: float) -> tuple[Tensor, Tensor]:
    """Bases (size, kept) down and up, orthogonal to each other up to the whitening."""
    values, vectors = torch.linalg.eigh(second.double())
    values, vectors = values.flip(0)[:kept].clamp_min(1e-8), vectors.flip(1)[:, :kept]
    spread = values.pow(-whitening / 2)
    spread = spread / (values * spread.square()).mean().sqrt()  # scale latents to a mean square of 1
    return (vectors * spread).float(), (vectors / spread).float()
