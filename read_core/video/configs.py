"""Small configurations of the temporal VAE, for tests and for ``read-core bench``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TINY: Mapping[str, Any] = MappingProxyType(
    {
        "latent_channels": 8,
        "block_out_channels": (8, 8, 16, 16),
        "decoder_block_out_channels": (8, 16, 32),
        "layers_per_block": (1, 1, 1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1, 1),
        "spatio_temporal_scaling": (True, True, True, False),
        "decoder_spatio_temporal_scaling": (True, True, True),
        "decoder_inject_noise": (False, False, False, False),
        "upsample_residual": (True, True, True),
        "upsample_factor": (2, 2, 2),
        "timestep_conditioning": True,
    }
)
"""Arguments of ``diffusers.AutoencoderKLLTXVideo``: 32 x 32 pixels x 8 frames per latent."""

TINY_INNER: Mapping[str, Any] = MappingProxyType(
    {
        "latent_channels": 8,
        "block_out_channels": [48, 48],
        "down_block_types": ["LTXVideoDownBlock3D"] * 2,
        "layers_per_block": [0, 1, 1],
        "spatio_temporal_scaling": [True, True],
        "downsample_type": ["conv", "conv"],
        "decoder_block_out_channels": [16, 32],
        "decoder_layers_per_block": [1, 1, 1],
        "decoder_spatio_temporal_scaling": [True, True],
        "decoder_inject_noise": [False] * 3,
        "upsample_factor": [2, 2],
        "upsample_residual": [False, False],
    }
)
"""``inner`` of an ``AlignedAutoencoder``: 16 x 16 pixels x 4 frames. Lists, as read back from JSON."""
