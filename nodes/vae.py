"""The checkpoint's temporal VAE as a VAE of the host, for core's nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import comfy.sd
import torch
from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE
from einops import rearrange

from ..read_core.geometry import FRAMES_PER_LATENT, PIXELS_PER_LATENT
from ..read_core.memory import decoding_memory, encoding_memory
from .placement import ModelHolder

if TYPE_CHECKING:
    from ..read_core.video import TemporalVAE
    from .sockets import ReadModels

# The smallest autoencoder that the host recognizes as LTX-Video's.
_SMALLEST: dict[str, Any] = {
    "dims": 3,
    "latent_channels": 4,
    "blocks": [["res_x", 1]],
    "norm_layer": "pixel_norm",
    "latent_log_var": "uniform",
    "encoder_base_channels": 32,
    "decoder_base_channels": 32,
}


class VAEHolder(ModelHolder):
    """A temporal VAE with the methods of core's LTX-Video autoencoder: pixels -1..1, normalized latents.

    Args:
        vae: the temporal VAE; it decides device, type, chunks and halo.
    """

    def __init__(self, vae: TemporalVAE) -> None:
        super().__init__(vae=vae.vae)
        self.temporal = vae

    def encode(self, pixels: torch.Tensor, **_: Any) -> torch.Tensor:
        """(B, 3, F, H, W) -> (B, C, L, h, w). Like core, drop frames beyond the last 8 n + 1."""
        count = 1 + (pixels.shape[2] - 1) // FRAMES_PER_LATENT * FRAMES_PER_LATENT
        return self.temporal.encode(rearrange(pixels[:, :, :count], "b c f h w -> b f h w c") / 2 + 0.5)

    def decode(self, latents: torch.Tensor, **_: Any) -> torch.Tensor:
        """(B, C, L, h, w) -> (B, 3, 8 (L - 1) + 1, H, W), with the noise of seed 0.

        Raises:
            InputError: the latents have another shape.
        """
        self._check(latents)
        frames = self.temporal.decode(latents.to(mm.intermediate_device()))
        return rearrange(frames, "b f h w c -> b c f h w") * 2 - 1

    def _check(self, latents: torch.Tensor) -> None:
        from ..read_core.errors import InputError

        channels = self.temporal.vae.config.latent_channels
        if latents.ndim != 5 or latents.shape[1] != channels:
            raise InputError(
                f"samples have shape {tuple(latents.shape)}; expected a video's latents, "
                f"(batch, {channels}, latents, height, width), as READ ANS Sampler gives"
            )


class WholeVAE(comfy.sd.VAE):
    """A VAE whose latents depend on their position in the picture: it ignores requests for tiles.

    When memory runs out, the host tries tiles of a few latents. Each would be decoded as a whole face,
    so that ends with a message.
    """

    def decode_tiled(self, samples: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.decode(samples)

    def encode_tiled(self, pixel_samples: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.encode(pixel_samples)

    def decode_tiled_3d(self, *_: Any, **__: Any) -> torch.Tensor:
        raise self._too_large("READ Temporal VAE Decode, which decodes chunk by chunk")

    def encode_tiled_3d(self, *_: Any, **__: Any) -> torch.Tensor:
        raise self._too_large("fewer frames, or a smaller picture")

    @staticmethod
    def _too_large(advice: str) -> Exception:
        from ..read_core.errors import InputError

        return InputError(
            "the pictures do not fit into memory at once, and this VAE, which is for aligned faces, cannot "
            f"work in tiles; use {advice}"
        )


def host_vae(models: ReadModels) -> comfy.sd.VAE:
    """A VAE of the host with the same weights and the same patcher as the other nodes.

    The host builds a VAE for LTX-Video, with the ratios and shapes of this host version. Then the model in it
    is replaced.
    """
    from ..read_core.video import AlignedAutoencoder

    weights = VideoVAE(config=_SMALLEST).state_dict()
    kind = WholeVAE if isinstance(models.pipe.vae.vae, AlignedAutoencoder) else comfy.sd.VAE
    vae = kind(sd=weights, metadata={"config": json.dumps({"vae": _SMALLEST})})
    vae.patcher, vae.first_stage_model = models.vae, models.vae.model
    vae.device, vae.vae_dtype = models.vae.load_device, torch.float32  # the model casts itself
    vae.latent_channels = models.pipe.vae.vae.config.latent_channels
    temporal = models.pipe.vae
    vae.memory_used_decode = lambda shape, _: decoding_memory(
        temporal, (PIXELS_PER_LATENT * shape[-2], PIXELS_PER_LATENT * shape[-1])
    )
    vae.memory_used_encode = lambda shape, _: encoding_memory(temporal, shape[2], (shape[3], shape[4]))
    vae.size = None  # the host measures it again
    return vae
