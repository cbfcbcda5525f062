"""An adapter around ``diffusers.AutoencoderKLLTXVideo``: normalized latents, decoding chunked in time.

Frames and latents: latent 0 decodes to frame 0, latent i > 0 to frames 8 i - 7 .. 8 i. Every slice of latents
is decoded as a separate video. So the first latent of a slice [s, e) gives only frame 8 s, and the slice
gives frames 8 s .. 8 (e - 1). To get all frames of latents [a, b), a slice needs at least one latent before
a. This, and the decoder's context on both sides, is the halo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKLLTXVideo
from einops import rearrange
from torch import Tensor

from ..ans.noise import DECODING_STREAM, LatentNoise
from ..errors import InputError
from ..geometry import FRAMES_PER_LATENT, PIXELS_PER_LATENT, frames_of_latents
from ..offload import onloaded
from .injection import seeded_injection


@dataclass(frozen=True)
class DecodeSettings:
    """How to decode the latents of a checkpoint.

    Attributes:
        halo: latents of context on both sides of a chunk, at least 1.
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
    """

    def __init__(self, vae: AutoencoderKLLTXVideo, settings: DecodeSettings | None = None) -> None:
        ratio = (vae.temporal_compression_ratio, vae.spatial_compression_ratio)
        if ratio != (FRAMES_PER_LATENT, PIXELS_PER_LATENT):
            raise InputError(f"the VAE compresses {ratio[0]} frames x {ratio[1]} pixels; expected 8 x 32")
        self.vae = vae
        self.settings = settings or DecodeSettings()
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
        for part in self.decode_stream([latents], seed):
            kept = part[:, : total - done]
            frames[:, done : done + kept.shape[1]] = kept
            done += kept.shape[1]
            if done == total:
                break
        return frames

    @torch.no_grad()
    def decode_stream(self, parts: Iterable[Tensor], seed: int = 0) -> Iterator[Tensor]:
        """Decode a sequence of latents that arrives in parts (B, C, any number, h, w); see :meth:`decode`.

        Chunks lie on a grid fixed from latent 0 for any parts, so the frames equal those of :meth:`decode`
        bit for bit. A chunk is decoded when its right halo has arrived or the parts have ended. At most a
        part, a chunk and two halos are held.

        Yields:
            frames (B, F, H, W, 3), float32 in 0..1, on the VAE's device: 8 per latent, 1 for latent 0.
        """
        halo, chunk = self.settings.halo, self.settings.chunk
        pending: Tensor | None = None
        first = start = 0  # index of the first held latent; start of the next chunk
        for part in parts:
            pending = part if pending is None else torch.cat([pending, part], dim=2)
            while first + pending.shape[2] >= start + chunk + halo:
                yield self._decode_chunk(pending, first, start, start + chunk, seed)
                start += chunk
                keep_from = max(first, start - halo)
                pending, first = pending[:, :, keep_from - first :], keep_from
        if pending is None:
            return
        stop = first + pending.shape[2]
        for a in range(start, stop, chunk):
            yield self._decode_chunk(pending, first, a, min(a + chunk, stop), seed)

    def _decode_chunk(self, pending: Tensor, first: int, start: int, stop: int, seed: int) -> Tensor:
        """Decode latents [start, stop) from ``pending`` (B, C, n, h, w), which starts at latent ``first``."""
        halo = self.settings.halo
        a, b = max(0, start - halo), min(first + pending.shape[2], stop + halo)
        frames = self._decode_slice(pending[:, :, a - first : b - first], a, seed)
        begin = FRAMES_PER_LATENT * (start - a) - (FRAMES_PER_LATENT - 1) if start else 0
        return frames[:, begin : FRAMES_PER_LATENT * (stop - 1 - a) + 1]

    def _decode_slice(self, latents: Tensor, first: int, seed: int) -> Tensor:
        """Decode one slice as a separate video: (B, C, n, h, w) -> (B, 8 (n - 1) + 1, H, W, 3) in 0..1."""
        z = self.denormalize(latents.to(self.vae.device))
        timestep = None
        if self.vae.config.timestep_conditioning:
            batch, channels, count, height, width = z.shape
            noise = LatentNoise(seed, channels, height, width, DECODING_STREAM)(first, first + count)
            z = torch.lerp(z, noise.to(z), self.settings.noise_scale)
            timestep = torch.full((batch,), self.settings.timestep, device=z.device, dtype=self.vae.dtype)
        with onloaded(self.vae), seeded_injection(self.vae.decoder, seed):
            pixels = self.vae.decode(z.to(self.vae.dtype), timestep).sample
        frames: Tensor = rearrange(pixels.float() / 2 + 0.5, "b c f h w -> b f h w c").clamp(0, 1)
        return frames

    def _statistics(self, device: torch.device) -> tuple[Tensor, Tensor]:
        return self._mean.to(device), self._std.to(device) / self.vae.config.scaling_factor
