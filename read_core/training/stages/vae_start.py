"""Start the temporal VAE as a linear codec: principal components down, ridge regression up.

A 32x32x8 autoencoder trained from random weights needs hours to reach what linear algebra gives in minutes.
Here every layer of the main path is solved in closed form, in order, on activations of the real module. Each
downsampling convolution keeps the leading principal components of the 2x2x2 block below it. Each upsampling
convolution is the ridge regression from its 3x3x3 neighborhood to the encoder's features one level below.
Residual branches start at zero, so training starts at the linear codec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ...video.aligned import fold

OFFSET = 1.0
"""Both output layers compute SiLU(RMSNorm(x)): an offset of 1 and a signal of SIGNAL keep this nearly
linear."""
SIGNAL = 0.3
ROWS = 40_000
"""Largest number of positions in a regression."""
_RIDGE = 1e-4  # strength, relative to the mean of the diagonal


@dataclass(frozen=True)
class Level:
    """One resolution of the encoder: features (1, c, t, h, w) of every clip, and position weights."""

    features: list[Tensor]
    weights: list[Tensor]


@torch.no_grad()
def initialize(vae: Any, clips: Sequence[Tensor], weights: Sequence[Tensor], whitening: float = 0.5) -> None:
    """Set the weights of a ``diffusers.AutoencoderKLLTXVideo`` in place.

    The encoder must have a constant width (``conv`` downsampling), at least that of its patches and its
    latents.

    Args:
        clips: (1, 3, 8n+1, H, W) each, -1..1.
        weights: (1, 1, 8n+1, H, W) each, the weight of every pixel.
        whitening: 0 keeps the variances of the principal components, 1 makes them equal. Afterwards the
            latents are rotated, so that all channels have about the same variance in both cases.
    """
    generator = torch.Generator().manual_seed(0)
    for module in vae.modules():
        if type(module).__name__ == "LTXVideoResnetBlock3d":
            nn.init.zeros_(module.conv2.conv.weight)
            nn.init.zeros_(module.conv2.conv.bias)
    size = vae.encoder.patch_size
    pixels = Level(
        [patchify(clip, size) for clip in clips], [F.avg_pool3d(w, (1, size, size)) for w in weights]
    )
    levels = start_encoder(vae.encoder, pixels)
    codes = start_latents(vae, levels, whitening, generator)
    start_decoder(vae.decoder, codes, pixels, levels, generator)


def start_encoder(encoder: Any, pixels: Level) -> list[Level]:
    """An orthogonal basis of the patches, then principal components of 2x2x2 blocks, level by level."""
    mean, basis = _principal(pixels.features, pixels.weights)
    conv = encoder.conv_in.conv
    width, size = conv.out_channels, basis.shape[1]
    conv.weight.mul_(0.3)
    conv.weight[:size] = 0
    conv.weight[:size, :, 2, 1, 1] = basis.T
    conv.bias.zero_()
    conv.bias[:size] = -mean @ basis
    features = [encoder.conv_in(p) for p in pixels.features]
    levels = [Level([f[:, :size].clone() for f in features], pixels.weights)]
    for downsampler in _downsamplers(encoder):
        size = levels[-1].features[0].shape[1]
        blocks = [fold(f) for f in levels[-1].features]
        weights = [fold(w).mean(1, keepdim=True) for w in levels[-1].weights]
        mean, basis = _principal(blocks, weights, width)
        kernel = rearrange(basis, "(c t h w) d -> d c t h w", t=2, h=2, w=2)
        conv = downsampler.conv
        conv.weight.zero_()
        conv.weight[: len(kernel), :size, 1:, 1:, 1:] = kernel
        conv.bias.zero_()
        conv.bias[: len(kernel)] = -mean @ basis
        features = [downsampler(f) for f in features]
        levels.append(Level(features, weights))
    return levels


def start_latents(
    vae: Any, levels: list[Level], whitening: float, generator: torch.Generator
) -> list[Tensor]:
    """The codes: rotated, partly whitened components, after the encoder's output non-linearity."""
    encoder, count = vae.encoder, vae.config.latent_channels
    rows, weights = rows_of(levels[-1].features), rows_of(levels[-1].weights)[:, 0]
    width = rows.shape[1]
    variance = (rows.square() * weights[:, None]).sum(0) / weights.sum()
    gain = SIGNAL / variance.mean().sqrt()
    spread = gain * _balanced(width, generator) @ torch.eye(width - 1, width)
    last = _downsamplers(encoder)[-1]
    last.conv.weight.copy_(torch.einsum("ij,jcthw->icthw", spread, last.conv.weight))
    last.conv.bias.copy_(spread @ last.conv.bias + OFFSET)
    spread_features = [torch.einsum("ij,bjthw->bithw", spread, f) + OFFSET for f in levels[-1].features]
    hidden = [F.silu(encoder.norm_out(f.movedim(1, -1)).movedim(-1, 1)) for f in spread_features]
    kept = min(count, width - 1)
    latents = rows[:, :kept] / variance[:kept].clamp_min(1e-8).sqrt().pow(whitening)
    latents = latents / latents.square().mean().sqrt() @ orthogonal(count, generator)[:kept]
    weight, bias = _ridge(rows_of(hidden), latents, weights)
    conv = encoder.conv_out.conv
    conv.weight.zero_()
    conv.bias.zero_()
    conv.weight[:count, :, 2, 1, 1] = weight.T
    conv.bias[:count] = bias
    return [encoder.conv_out(h)[:, :count] for h in hidden]


def start_decoder(
    decoder: Any, codes: list[Tensor], pixels: Level, levels: list[Level], generator: torch.Generator
) -> None:
    """A lift, then regressions to the encoder's features of each finer level, then to pixels."""
    conv = decoder.conv_in.conv
    count = conv.in_channels
    conv.weight.mul_(0.3)
    conv.weight[:count] = 0
    conv.weight[:count, :, 1, 1, 1] = torch.eye(count)
    conv.bias.zero_()
    hidden = [decoder.conv_in(z) for z in codes]
    for index, block in enumerate(decoder.up_blocks):
        upsampler = block.upsamplers[0]
        fine, coarse = levels[len(levels) - 2 - index], levels[len(levels) - 1 - index]
        channels = upsampler.conv.conv.out_channels // 8
        targets = [t[:, :channels] for t in fine.features]
        if fine is levels[0]:
            targets = _with_offset(targets, channels, generator)
        _fit(upsampler.conv.conv, hidden, [fold(t) for t in targets], coarse.weights, generator)
        hidden = [upsampler(h) for h in hidden]
    hidden = [F.silu(decoder.norm_out(h.movedim(1, -1)).movedim(-1, 1)) for h in hidden]
    _fit(decoder.conv_out.conv, hidden, pixels.features, pixels.weights, generator)


def _downsamplers(encoder: Any) -> list[Any]:
    return [block.downsamplers[0] for block in encoder.down_blocks if block.downsamplers is not None]


def patchify(clip: Tensor, size: int) -> Tensor:
    """(b, c, t, H, W) -> (b, c * size * size, t, H / size, W / size), in the order of encoder and decoder."""
    patches: Tensor = rearrange(clip, "b c t (h p) (w q) -> b (c q p) t h w", p=size, q=size)
    return patches


def rows_of(maps: Sequence[Tensor]) -> Tensor:
    """Maps (b, c, t, h, w) as rows (all positions, c)."""
    return torch.cat([rearrange(m, "b c t h w -> (b t h w) c") for m in maps])


def _principal(
    maps: Sequence[Tensor], weights: Sequence[Tensor], most: int | None = None
) -> tuple[Tensor, Tensor]:
    """Weighted mean (c,) and leading components (c, n), orthogonal, scaled to a mean variance of 1.

    The common scale gives features of all levels the same size, which optimizers with absolute steps need.
    """
    channels = maps[0].shape[1]
    total, first = torch.zeros((), dtype=torch.double), torch.zeros(channels, dtype=torch.double)
    second = torch.zeros(channels, channels, dtype=torch.double)
    for one, weight in zip(maps, weights, strict=True):
        rows, share = rows_of([one]), rows_of([weight])
        total += share.sum().double()
        first += (rows * share).sum(0).double()
        second += ((rows * share).T @ rows).double()
    mean = first / total
    values, vectors = torch.linalg.eigh(second / total - torch.outer(mean, mean))
    basis = vectors.flip(1)[:, :most] / values.flip(0)[:most].mean().sqrt()
    return mean.float(), basis.float()


def _ridge(x: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted ridge regression y ~ x w + b."""
    share = (weights / weights.sum())[:, None]
    mean_x, mean_y = (x * share).sum(0), (y * share).sum(0)
    x, y = x - mean_x, y - mean_y
    gram = ((x * share).T @ x).double()
    gram += _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.double)
    solution = torch.linalg.solve(gram, ((x * share).T @ y).double()).float()
    return solution, mean_y - mean_x @ solution


def _fit(
    conv: Any,
    inputs: Sequence[Tensor],
    targets: Sequence[Tensor],
    weights: Sequence[Tensor],
    generator: torch.Generator,
) -> None:
    """Solve a decoder convolution (time padded by repetition, space by zeros) for ``targets``."""
    share = max(1, ROWS // len(inputs))
    xs, ys, ws = [], [], []
    for x, y, w in zip(inputs, targets, weights, strict=True):
        padded = F.pad(torch.cat([x[:, :, :1], x, x[:, :, -1:]], dim=2), (1, 1, 1, 1))
        windows = padded.unfold(2, 3, 1).unfold(3, 3, 1).unfold(4, 3, 1)
        chosen = torch.randperm(y[0, 0].numel(), generator=generator)[:share]
        t, h, v = torch.unravel_index(chosen, y.shape[2:])
        xs.append(rearrange(windows, "1 c t h w i j k -> t h w c i j k")[t, h, v].flatten(1))
        ys.append(rows_of([y])[chosen])
        ws.append(rows_of([w])[chosen, 0])
    weight, bias = _ridge(torch.cat(xs), torch.cat(ys), torch.cat(ws))
    conv.weight.copy_(weight.T.reshape(conv.weight.shape))
    conv.bias.copy_(bias)


def orthogonal(size: int, generator: torch.Generator) -> Tensor:
    """A random rotation, (size, size)."""
    rotation: Tensor = torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
    return rotation


def _balanced(size: int, generator: torch.Generator) -> Tensor:
    """(size, size - 1) orthonormal columns that sum to zero, so they keep the channel mean."""
    seed = torch.randn(size, size, generator=generator)
    seed[:, 0] = 1
    basis: Tensor = torch.linalg.qr(seed)[0]
    return basis[:, 1:]


def _with_offset(targets: Sequence[Tensor], channels: int, generator: torch.Generator) -> list[Tensor]:
    """Targets as a balanced signal of size SIGNAL around OFFSET."""
    size = min(targets[0].shape[1], channels - 1)
    basis = _balanced(channels, generator)[:, :size]
    energy = torch.stack([t.square().sum(1).mean() for t in targets]).mean()
    gain = SIGNAL / (energy / channels).sqrt()
    return [torch.einsum("dc,bcthw->bdthw", basis * gain, t[:, :size]) + OFFSET for t in targets]
