"""Run LTX-Video's decoder in chunks. Latents before a chunk are not decoded again, those after it in part.

Convolutions reach over neighboring frames. Each keeps the last input frames of a chunk, so the next chunk
continues exactly there. Ahead of a chunk, the halo is decoded only as far as later layers need it: whole
latents in the first layers, a frame or two in the last. Features are (B, T, H, W, C), so that norms and
convolutions need no copies.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ..offload import onloaded


class ChunkDecoder:
    """Decodes one video. With a long halo the frames equal those of the whole video at once.

    Args:
        decoder: ``decoder`` of a ``diffusers.AutoencoderKLLTXVideo``; it is not called, its layers are.
        seed: seed of the noise that some decoders (0.9.1) inject in their blocks. The noise has no time axis,
            so all chunks get the same. It is drawn on the decoder's device, as in diffusers, so it differs
            between kinds of device.
        conv_dtype: type of the convolutions; None: that of the latents. Sums of blocks keep the latents'.
        begun: the first latent decoded is inside the video, not its latent 0.
    """

    def __init__(
        self,
        decoder: nn.Module,
        seed: int = 0,
        conv_dtype: torch.dtype | None = None,
        begun: bool = False,
    ) -> None:
        self.decoder: Any = decoder
        self.seed = seed
        self.conv_dtype = conv_dtype
        self.begun = begun  # whether latent 0 has been decoded
        self._ahead = frames_ahead(decoder)
        self._kept: dict[nn.Module, Tensor] = {}  # last input frames of each convolution
        self._weights: dict[nn.Module, tuple[Tensor, Tensor | None]] = {}
        noisy = [m for m in decoder.modules() if getattr(m, "per_channel_scale1", None) is not None]
        self._index_of = {block: index for index, block in enumerate(noisy)}

    def __call__(self, latents: Tensor, count: int, timestep: Tensor | None = None) -> Tensor:
        """Decode the next ``count`` latents.

        Args:
            latents: (B, C, count + halo, h, w); the next call gets the halo again.
            count: at least 1.
            timestep: (B,), 0..1, for timestep-conditioned decoders.

        Returns:
            (B, F, H, W, 3), about -1..1: one frame of latent 0, and as many of each other as the decoder
            makes.
        """
        decoder = self.decoder
        with onloaded(decoder):
            if decoder.timestep_scale_multiplier is not None and timestep is not None:
                timestep = timestep * decoder.timestep_scale_multiplier
            x = self._convolved(decoder.conv_in, latents.movedim(1, -1), count)
            for block in (decoder.mid_block, *decoder.up_blocks):
                with onloaded(block):
                    x, count = self._block(block, x, count, timestep)
            shift, scale = _modulation(decoder, _embedded(decoder, timestep, x))
            x = self._convolved(decoder.conv_out, _activated(x, shift, scale, spare=True), count)
        self.begun = True
        p = decoder.patch_size
        pixels: Tensor = rearrange(x, "b t h w (c q p) -> b t (h p) (w q) c", p=p, q=p)
        return pixels

    def _block(self, block: Any, x: Tensor, count: int, timestep: Tensor | None) -> tuple[Tensor, int]:
        """A middle or upsampling block: its output, and how many of its frames are the chunk's."""
        if getattr(block, "conv_in", None) is not None:
            x = self._residual(block.conv_in, x, count, None)
        embedded = _embedded(block, timestep, x)
        for upsampler in getattr(block, "upsamplers", None) or ():
            x, count = self._upsampled(upsampler, x, count)
        for resnet in block.resnets:
            x = self._residual(resnet, x, count, embedded)
        return x, count

    def _residual(self, block: Any, x: Tensor, count: int, embedded: Tensor | None) -> Tensor:
        with onloaded(block):
            first, second = self._injected(block, x)
            shift_1, scale_1, shift_2, scale_2 = _modulation(block, embedded)
            y = self._convolved(block.conv1, _activated(x, shift_1, scale_1), count)
            y = y if first is None else y + first
            y = self._convolved(block.conv2, _activated(y, shift_2, scale_2, spare=True), count)
            y = y if second is None else y + second
            x = x[:, : y.shape[1]]
            if block.norm3 is not None:
                x = self._convolved(block.conv_shortcut, block.norm3(x), count)
            return x + y

    def _upsampled(self, upsampler: Any, x: Tensor, count: int) -> tuple[Tensor, int]:
        y = self._convolved(upsampler.conv, x, count)
        copies, rows, columns = upsampler.stride
        dropped = 0 if self.begun else copies - 1  # latent 0 stands for one frame

        def spread(features: Tensor) -> Tensor:
            large: Tensor = rearrange(
                features,
                "b t h w (c i j k) -> b (t i) (h j) (w k) c",
                i=copies,
                j=rows,
                k=columns,
            )
            return large[:, dropped:]

        large = spread(y)
        if upsampler.residual:
            repeats = copies * rows * columns // upsampler.upscale_factor
            large = large + spread(x[:, : y.shape[1]]).repeat(1, 1, 1, 1, repeats)
        return large, copies * count - dropped

    def _convolved(self, layer: Any, x: Tensor, count: int) -> Tensor:
        """The chunk's ``count`` frames of x, and of the frames ahead those that later layers need."""
        behind, ahead = _receptive_field(layer)
        length = count + min(self._ahead[layer], x.shape[1] - count)
        there = min(x.shape[1], length + ahead)
        batch, _, *sizes = x.shape
        padded = x.new_empty(batch, behind + length + ahead, *sizes, dtype=self.conv_dtype)
        padded[:, :behind] = self._kept.get(layer, x[:, :1])
        padded[:, behind : behind + there] = x[:, :there]
        padded[:, behind + there :] = x[:, there - 1 : there]  # at the end the last frame is repeated
        if behind:
            self._kept[layer] = padded[:, count : count + behind].clone()
        planes = padded.movedim(-1, 1)
        if self.conv_dtype is None:
            found: Tensor = layer.conv(planes)
        else:
            found = F.conv3d(planes, *self._cast(layer), padding=layer.conv.padding)
        return found.movedim(1, -1).to(x.dtype)

    def _cast(self, layer: Any) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of a convolution in ``conv_dtype``."""
        if layer not in self._weights:
            weight, bias = layer.conv.weight.to(self.conv_dtype), layer.conv.bias
            packed = weight.contiguous(memory_format=torch.channels_last_3d)
            self._weights[layer] = packed, None if bias is None else bias.to(self.conv_dtype)
        return self._weights[layer]

    def _injected(self, block: Any, x: Tensor) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Noise (H, W, C) behind both convolutions of a block; None: it injects none."""
        if block not in self._index_of:
            return None, None
        seed = (self.seed * 1_000_003 + self._index_of[block]) % 2**63
        generator = torch.Generator(x.device).manual_seed(seed)
        noise = [
            torch.randn(x.shape[2:4], generator=generator, device=x.device, dtype=x.dtype)[..., None]
            for _ in range(2)
        ]
        return noise[0] * block.per_channel_scale1.flatten(), noise[1] * block.per_channel_scale2.flatten()


def frames_ahead(decoder: Any) -> dict[nn.Module, int]:
    """How many frames behind a chunk's end each convolution must make for the layers that follow it."""
    needs: dict[nn.Module, int] = {}
    needed = 0

    def before(layer: Any) -> None:
        nonlocal needed
        needs[layer] = needed
        needed += _receptive_field(layer)[1]

    def before_residual(block: Any) -> None:
        if block.conv_shortcut is not None:
            needs[block.conv_shortcut] = needed
        before(block.conv2)
        before(block.conv1)

    before(decoder.conv_out)
    for block in (*reversed(decoder.up_blocks), decoder.mid_block):
        for resnet in reversed(block.resnets):
            before_residual(resnet)
        for upsampler in getattr(block, "upsamplers", None) or ():
            needed = -(-needed // upsampler.stride[0])
            before(upsampler.conv)
        if getattr(block, "conv_in", None) is not None:
            before_residual(block.conv_in)
    before(decoder.conv_in)
    return needs


def _receptive_field(layer: Any) -> tuple[int, int]:
    """Frames before and after an output frame that a convolution sees."""
    others = layer.kernel_size[0] - 1
    behind = others if layer.is_causal else others // 2
    return behind, others - behind


def _activated(x: Tensor, shift: Tensor | None, scale: Tensor | None, spare: bool = False) -> Tensor:
    """RMS norm over the channels, modulation and SiLU; ``spare``: x is not needed any more."""
    norm = torch.linalg.vector_norm(
        x, dim=-1, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32)
    )
    factor = torch.rsqrt(norm.square() / x.shape[-1] + 1e-8)
    y = x.mul_(factor) if spare else (x * factor).to(x.dtype)
    if shift is not None and scale is not None:
        y = y * (1 + scale) + shift
    return F.silu(y, inplace=True)


def _embedded(module: Any, timestep: Tensor | None, x: Tensor) -> Tensor | None:
    """A module's embedding (B, n C) of the time; None if it has none."""
    if module.time_embedder is None or timestep is None:
        return None
    embedded: Tensor = module.time_embedder(
        timestep=timestep.flatten(),
        resolution=None,
        aspect_ratio=None,
        batch_size=len(x),
        hidden_dtype=x.dtype,
    )
    return embedded


def _modulation(module: Any, embedded: Tensor | None) -> tuple[Tensor | None, ...]:
    """Shift and scale (B, 1, 1, 1, C) of a module's norms, in turn; None without time conditioning."""
    if module.scale_shift_table is None or embedded is None:
        return (None,) * 4 if hasattr(module, "conv1") else (None,) * 2
    table: Tensor = module.scale_shift_table
    rows = embedded.view(len(embedded), len(table), -1) + table
    return tuple(row[:, None, None, None] for row in rows.unbind(1))
