"""A temporal VAE for aligned faces: LTX-Video's, with a last level that depends on the position.

In an aligned crop the left eye is always in the same block of 32 x 32 pixels. Convolutions share one basis
for all blocks, which wastes latents on what a block never shows. So the last level has one linear map per
block. An LTX-Video autoencoder of 16 x 16 pixels x 4 frames makes latents, and each 2 x 2 x 2 of them become
one latent of 32 x 32 x 8. The decoder's side may add a hidden layer per block: a closed lid has the color of
this face's skin, which no linear map can compute.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLLTXVideo
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from torch import Tensor, nn

BLOCK = 8  # latents of 16 x 16 x 4 in one of 32 x 32 x 8
_CERTAIN = -30.0  # logarithm of the posterior's variance: the encoder is deterministic


class PositionwiseLinear(nn.Module):
    """One linear map for each position of a grid.

    Its weight is one matrix, (outputs h w, inputs): row i belongs to position i mod (h w).

    Args:
        grid: rows h and columns w.
        inputs: input channels.
        outputs: output channels.
    """

    def __init__(self, grid: tuple[int, int], inputs: int, outputs: int) -> None:
        super().__init__()
        self.grid = grid
        count = outputs * grid[0] * grid[1]
        self.weight = nn.Parameter(torch.zeros(count, inputs))
        self.bias = nn.Parameter(torch.zeros(count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, L, h, w) -> (B, outputs, L, h, w).

        For another grid size, the maps are interpolated between positions.
        """
        batch, _, _, height, width = x.shape
        weight, bias = self.maps()
        if self.grid != (height, width):
            weight, bias = _resampled(weight, bias, (height, width))
        rows = rearrange(x, "b c l h w -> (h w) (b l) c")
        result = torch.baddbmm(bias.flatten(0, 1)[:, None], rows, weight.flatten(0, 1).mT)
        output: Tensor = rearrange(result, "(h w) (b l) c -> b c l h w", h=height, b=batch)
        return output

    def maps(self) -> tuple[Tensor, Tensor]:
        """Views of the weights (h, w, outputs, inputs) and biases (h, w, outputs)."""
        height, width = self.grid
        weight = rearrange(self.weight, "(d h w) c -> h w d c", h=height, w=width)
        return weight, rearrange(self.bias, "(d h w) -> h w d", h=height, w=width)


def _resampled(weight: Tensor, bias: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    maps = torch.cat([weight, bias[..., None]], dim=-1)
    flat = rearrange(maps, "h w d c -> 1 (d c) h w")
    flat = F.interpolate(flat, grid, mode="bilinear", align_corners=False)
    maps = rearrange(flat, "1 (d c) h w -> h w d c", d=maps.shape[2])
    return maps[..., :-1], maps[..., -1]


class AlignedAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Autoencoder of 32 x 32 pixels x 8 frames, for one alignment and one size of the picture.

    It has the interface of ``diffusers.AutoencoderKLLTXVideo`` that :class:`~read_core.video.TemporalVAE`
    uses.

    Args:
        inner: arguments of the ``diffusers.AutoencoderKLLTXVideo`` of 16 x 16 x 4.
        grid: rows and columns of blocks in the picture: 4 x 4 at 128 x 128 pixels.
        latent_channels: channels of a latent.
        scaling_factor: as in ``AutoencoderKLLTXVideo``.
        timestep_conditioning: always false.
        up_hidden: units of the hidden layer that each block of the decoder's side adds to its linear map;
            0: none.

    Raises:
        ValueError: the inner autoencoder has another compression, or its decoder is timestep-conditioned.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ("LTXVideoResnetBlock3d",)
    spatial_compression_ratio = 32
    temporal_compression_ratio = 8

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        inner: dict[str, Any],
        grid: tuple[int, int] = (4, 4),
        latent_channels: int = 128,
        scaling_factor: float = 1.0,  # noqa: ARG002
        timestep_conditioning: bool = False,
        up_hidden: int = 0,
    ) -> None:
        super().__init__()
        self.autoencoder = AutoencoderKLLTXVideo(**inner)
        ratio = (self.autoencoder.temporal_compression_ratio, self.autoencoder.spatial_compression_ratio)
        if ratio != (4, 16) or timestep_conditioning or self.autoencoder.config.timestep_conditioning:
            raise ValueError(
                f"the inner VAE compresses {ratio[0]} frames x {ratio[1]} pixels; expected 4 x 16, with a "
                "decoder that is not timestep-conditioned"
            )
        size = BLOCK * self.autoencoder.config.latent_channels
        self.down = PositionwiseLinear((grid[0], grid[1]), size, latent_channels)
        self.up = PositionwiseLinear((grid[0], grid[1]), latent_channels, size)
        if up_hidden:
            self.up_in = PositionwiseLinear((grid[0], grid[1]), latent_channels, up_hidden)
            self.up_out = PositionwiseLinear((grid[0], grid[1]), up_hidden, size)
        self.register_buffer("latents_mean", torch.zeros(latent_channels))
        self.register_buffer("latents_std", torch.ones(latent_channels))

    @property
    def encoder(self) -> nn.Module:
        """The convolutions of the encoder."""
        encoder: nn.Module = self.autoencoder.encoder
        return encoder

    @property
    def decoder(self) -> nn.Module:
        """The convolutions of the decoder."""
        decoder: nn.Module = self.autoencoder.decoder
        return decoder

    def encode(self, pixels: Tensor) -> AutoencoderKLOutput:
        """(B, 3, 8 (L - 1) + 1, H, W) in -1..1 -> a distribution of (B, C, L, H / 32, W / 32)."""
        mean = self.down(fold(self.autoencoder.encode(pixels).latent_dist.mode()))
        return AutoencoderKLOutput(
            latent_dist=DiagonalGaussianDistribution(torch.cat([mean, torch.full_like(mean, _CERTAIN)], 1))
        )

    def decode(self, latents: Tensor, _timestep: Tensor | None = None) -> DecoderOutput:
        """(B, C, L, h, w) -> pixels (B, 3, 8 (L - 1) + 1, 32 h, 32 w), about -1..1."""
        return self.autoencoder.decode(unfold(self._blocks(latents)))

    def widened(self, up_hidden: int) -> AlignedAutoencoder:
        """A copy with a hidden layer of ``up_hidden`` units, which adds nothing before it is trained.

        Raises:
            ValueError: there is a hidden layer of another width.
        """
        if self.config.up_hidden not in (0, up_hidden):
            raise ValueError(f"the VAE has up_hidden {self.config.up_hidden}; expected 0 or {up_hidden}")
        wide: AlignedAutoencoder = AlignedAutoencoder.from_config(self.config, up_hidden=up_hidden)
        if not self.config.up_hidden:
            spread = (self.config.latent_channels * self.latents_std.square().mean()).rsqrt()
            nn.init.normal_(wide.up_in.weight, std=float(spread))
        wide.load_state_dict(self.state_dict(), strict=False)
        return wide

    def finer(self, latents: Tensor, count: int, first: int) -> tuple[Tensor, int]:
        """Latents of the inner autoencoder, for decoding in chunks.

        Args:
            latents: (B, C, n, h, w), a part of a video from latent ``first`` on.
            count: how many of them are wanted.
            first: latent 0 of a video stands for one frame, and for one inner latent.

        Returns:
            (B, c, 2 n or 2 n - 1, 2 h, 2 w), and how many of them are wanted.
        """
        blocks = self._blocks(latents)
        return (unfold(blocks), 2 * count - 1) if first == 0 else (unfold_all(blocks), 2 * count)

    def _blocks(self, latents: Tensor) -> Tensor:
        """(B, C, L, h, w) -> blocks of latents of the inner autoencoder, see :func:`fold`."""
        blocks: Tensor = self.up(latents)
        if self.config.up_hidden:
            blocks = blocks + self.up_out(F.gelu(self.up_in(latents)))
        return blocks

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode and decode; the shape does not change."""
        output: Tensor = self.decode(self.encode(pixels).latent_dist.mode()).sample
        return output


def fold(latents: Tensor) -> Tensor:
    """Latents of 16 x 16 x 4, (B, c, 2 L - 1, 2 h, 2 w) -> their blocks (B, 8 c, L, h, w).

    The first latent, of a single frame, is repeated, as causal convolutions do.
    """
    padded = torch.cat([latents[:, :, :1], latents], dim=2)
    blocks: Tensor = rearrange(padded, "b c (l t) (h p) (w q) -> b (c t p q) l h w", t=2, p=2, q=2)
    return blocks


def unfold(blocks: Tensor) -> Tensor:
    """The inverse of :func:`fold`."""
    return unfold_all(blocks)[:, :, 1:]


def unfold_all(blocks: Tensor) -> Tensor:
    """Two latents of each block, (B, 8 c, L, h, w) -> (B, c, 2 L, 2 h, 2 w)."""
    latents: Tensor = rearrange(blocks, "b (c t p q) l h w -> b c (l t) (h p) (w q)", t=2, p=2, q=2)
    return latents
