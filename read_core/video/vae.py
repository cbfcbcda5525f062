"""An adapter around ``diffusers.AutoencoderKLLTXVideo``: normalized latents, decoding chunked in time.

Latent 0 decodes to frame 0, latent i > 0 to frames 8 i - 7 .. 8 i. The decoder sees latents before and after
a frame. For those before a chunk it keeps a state, see :mod:`read_core.video.decoder`. Of those after a chunk
it sees the halo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from diffusers import AutoencoderKLLTXVideo
from einops import rearrange
from torch import Tensor

from ..ans.noise import DECODING_STREAM, LatentNoise
from ..errors import InputError
from ..geometry import FRAMES_PER_LATENT, PIXELS_PER_LATENT, frames_of_latents, latents_of_frames
from ..offload import onloaded
from ..precision import bfloat16_is_fast
from .aligned import AlignedAutoencoder
from .decoder import ChunkDecoder


@dataclass(frozen=True)
class DecodeSettings:
    """How to decode the latents of a checkpoint.

    Attributes:
        halo: latents of context after a chunk, at least 1.
        chunk: latents decoded at a time, without the halo, at least 1.
        timestep: decode time in 0..1 of timestep-conditioned decoders; others ignore it.
        noise_scale: share of noise, 0..1, mixed into the latents of timestep-conditioned decoders.
    """

    halo: int = 3
    chunk: int = 8
    timestep: float = 0.05
    noise_scale: float = 0.025

    def __post_init__(self) -> None:
        if self.halo < 1 or self.chunk < 1:
            raise InputError(f"halo is {self.halo}, chunk is {self.chunk}; expected 1 latent or more")
        if not (0 <= self.timestep <= 1 and 0 <= self.noise_scale <= 1):
            raise InputError(
                f"decode timestep is {self.timestep}, noise scale is {self.noise_scale}; expected 0 to 1"
            )


class TemporalVAE:
    """Frames <-> normalized latents (eq. 4).

    Args:
        vae: an LTX-Video autoencoder, 32 x 32 x 8, timestep-conditioned or not. Its device and dtype are
            kept. Its ``latents_mean`` and ``latents_std`` are copied now as float32, so a later change of
            type does not round them.
        settings: how to decode.
        rounded: on a CPU with bfloat16 instructions, a float32 decoder's convolutions round their inputs to
            bfloat16, which nearly doubles its speed; elsewhere this changes nothing.
    """

    def __init__(
        self, vae: AutoencoderKLLTXVideo, settings: DecodeSettings | None = None, rounded: bool = False
    ) -> None:
        ratio = (vae.temporal_compression_ratio, vae.spatial_compression_ratio)
        if ratio != (FRAMES_PER_LATENT, PIXELS_PER_LATENT):
            raise InputError(f"the VAE compresses {ratio[0]} frames x {ratio[1]} pixels; expected 8 x 32")
        self.vae = vae
        self.settings = settings or DecodeSettings()
        self.rounded = rounded
        with onloaded(vae):
            mean, std = (v.detach().to("cpu", torch.float32) for v in (vae.latents_mean, vae.latents_std))
            self._mean, self._std = (v.clone().view(1, -1, 1, 1, 1) for v in (mean, std))

    def normalize(self, latents: Tensor) -> Tensor:
        """Raw latents of the VAE (B, C, L, h, w) -> float32 latents with mean 0 and standard deviation 1."""
        mean, std = self._statistics(latents.device)
        return (latents.float() - mean) / std

    def denormalize(self, latents: Tensor) -> Tensor:
        """The inverse of :meth:`normalize`, float32."""
        mean, std = self._statistics(latents.device)
        return latents.float() * std + mean

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Encode frames (B, F, H, W, 3) in 0..1, F = 8 (L - 1) + 1, to normalized latents (B, C, L, h, w).

        The result is float32 on the VAE's device. It is the posterior's mode, so it is not random.

        Raises:
            InputError: H or W is not a multiple of 32, F is not 8 (L - 1) + 1, or the shape is wrong.
        """
        if frames.ndim != 5 or frames.shape[-1] != 3:
            raise InputError(f"frames have shape {tuple(frames.shape)}; expected (B, F, H, W, 3)")
        count, height, width = frames.shape[1:4]
        if (
            count % FRAMES_PER_LATENT != 1
            or min(height, width) < 1
            or height % PIXELS_PER_LATENT
            or width % PIXELS_PER_LATENT
        ):
            raise InputError(
                f"{count} frames of {height} x {width} pixels; expected 8 n + 1 frames, multiples of 32"
            )
        pixels = rearrange(frames, "b f h w c -> b c f h w").to(self.vae.device, self.vae.dtype) * 2 - 1
        with onloaded(self.vae):
            latents = self.vae.encode(pixels).latent_dist.mode()
        return self.normalize(latents)

    def decode(self, latents: Tensor, seed: int = 0, num_frames: int | None = None) -> Tensor:
        """Decode normalized latents (B, C, L, h, w) to frames (B, F, H, W, 3), float32 in 0..1.

        Args:
            latents: z_R first. The frames are returned on their device.
            seed: seed of the noise of timestep-conditioned decoders.
            num_frames: number of frames to decode; default: all 8 (L - 1) + 1.
        """
        batch, _, count, height, width = latents.shape
        total = frames_of_latents(count) if num_frames is None else min(num_frames, frames_of_latents(count))
        size = (height * PIXELS_PER_LATENT, width * PIXELS_PER_LATENT)
        frames = torch.empty(batch, total, *size, 3, device=latents.device)
        done = 0
        for part in self.decode_stream([latents], seed, stop=1 + latents_of_frames(total)):
            kept = part[:, : total - done]
            frames[:, done : done + kept.shape[1]] = kept
            done += kept.shape[1]
            if done == total:
                break
        return frames

    def decode_span(self, latents: Tensor, first: int, last: int, seed: int = 0) -> Iterator[Tensor]:
        """The frames of some chunks of a video, without decoding all that come before.

        The chunk before them is decoded, too. So the frames equal those of :meth:`decode`, up to what the
        decoder would have seen of earlier latents.

        Args:
            latents: (B, C, L, h, w), those of the whole video, z_R first.
            first: index of the first of them, a multiple of ``settings.chunk``.
            last: the index behind the last; such a multiple, too, or L.
            seed: as in :meth:`decode`.

        Yields:
            frames (B, F, H, W, 3) as of :meth:`decode_stream`, chunk by chunk.
        """
        begin = max(0, first - self.settings.chunk)
        stream = self.decode_stream([latents[:, :, begin : last + self.settings.halo]], seed, begin)
        if begin < first:
            next(stream)
        yield from islice(stream, -(-(last - first) // self.settings.chunk))

    @torch.no_grad()
    def decode_stream(
        self, parts: Iterable[Tensor], seed: int = 0, start: int = 0, stop: int | None = None
    ) -> Iterator[Tensor]:
        """Decode a sequence of latents that arrives in parts (B, C, any number, h, w); see :meth:`decode`.

        Chunks lie on a grid fixed from latent 0 for any parts, so the frames equal those of :meth:`decode`
        bit for bit. A chunk is decoded when its halo has arrived or the parts have ended. At most a part, a
        chunk and a halo are held.

        Args:
            parts: the latents, z_R first.
            seed: as in :meth:`decode`.
            start: index of the first latent in its video; see :meth:`decode_span`.
            stop: index behind the last latent whose frames are wanted; None: all are.

        Yields:
            frames (B, F, H, W, 3), float32 in 0..1, on the VAE's device: 8 per latent, 1 for latent 0.
        """
        chunk, ahead = self.settings.chunk, self.settings.chunk + self.settings.halo
        decoder = ChunkDecoder(self.vae.decoder, seed, self.conv_dtype, begun=start > 0)
        pending: Tensor | None = None  # from latent `start` on
        for part in parts:
            pending = part if pending is None else torch.cat([pending, part], dim=2)
            while pending.shape[2] >= ahead and (stop is None or start < stop):
                count = chunk if stop is None else min(chunk, stop - start)
                yield self._decode_chunk(decoder, pending[:, :, :ahead], start, count, seed)
                pending, start = pending[:, :, count:], start + count
        while pending is not None and pending.shape[2] and (stop is None or start < stop):
            count = min(chunk, pending.shape[2], chunk if stop is None else stop - start)
            yield self._decode_chunk(decoder, pending[:, :, :ahead], start, count, seed)
            pending, start = pending[:, :, count:], start + count

    def _decode_chunk(
        self, decoder: ChunkDecoder, latents: Tensor, first: int, count: int, seed: int
    ) -> Tensor:
        """Decode the first ``count`` of ``latents`` (B, C, n, h, w), which start at latent ``first``."""
        z = self.denormalize(latents.to(self.vae.device))
        timestep = None
        if self.vae.config.timestep_conditioning:
            batch, channels, length, height, width = z.shape
            noise = LatentNoise(seed, channels, height, width, DECODING_STREAM)(first, first + length)
            z = torch.lerp(z, noise.to(z), self.settings.noise_scale)
            timestep = torch.full((batch,), self.settings.timestep, device=z.device, dtype=self.vae.dtype)
        z = z.to(self.vae.dtype)
        with onloaded(self.vae):
            if isinstance(self.vae, AlignedAutoencoder):
                z, count = self.vae.finer(z, count, first)
            pixels = decoder(z, count, timestep)
        return pixels.float().div_(2).add_(0.5).clamp_(0, 1)

    @property
    def conv_dtype(self) -> torch.dtype | None:
        """Type of the decoder's convolutions; None: the VAE's."""
        rounds = self.rounded and self.vae.device.type == "cpu" and self.vae.dtype == torch.float32
        return torch.bfloat16 if rounds and bfloat16_is_fast() else None

    def _statistics(self, device: torch.device) -> tuple[Tensor, Tensor]:
        return self._mean.to(device), self._std.to(device) / self.vae.config.scaling_factor
