"""Load LTX-Video's autoencoder from a single safetensors file, with built-in configurations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo
from diffusers.loaders.single_file_utils import convert_ltx_vae_checkpoint_to_diffusers
from torch import Tensor

from ..errors import CheckpointError
from ..precision import at_precision
from ..video.aligned import AlignedAutoencoder
from ..video.vae import DecodeSettings
from .files import read_header, read_tensors
from .float8 import CODEC, refuse_float8
from .strict import compare, load_strict

_LATER_DECODER: Mapping[str, Any] = MappingProxyType(
    {
        "decoder_block_out_channels": (256, 512, 1024),
        "decoder_spatio_temporal_scaling": (True, True, True),
        "upsample_residual": (True, True, True),
        "upsample_factor": (2, 2, 2),
        "timestep_conditioning": True,
    }
)
RELEASES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "LTX-Video 0.9.0": MappingProxyType({}),  # the class's own defaults
        "LTX-Video 0.9.1": MappingProxyType(
            {
                **_LATER_DECODER,
                "decoder_layers_per_block": (5, 6, 7, 8),
                "decoder_inject_noise": (True, True, True, False),
            }
        ),
        "LTX-Video 0.9.5 to 0.9.8": MappingProxyType(
            {
                **_LATER_DECODER,
                "block_out_channels": (128, 256, 512, 1024, 2048),
                "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
                "layers_per_block": (4, 6, 6, 2, 2),
                "spatio_temporal_scaling": (True, True, True, True),
                "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
                "decoder_layers_per_block": (5, 5, 5, 5),
                "decoder_inject_noise": (False, False, False, False),
                "spatial_compression_ratio": 32,
                "temporal_compression_ratio": 8,
            }
        ),
    }
)
"""Differences from the class's defaults, by release."""

HALOS: Mapping[str, int] = MappingProxyType(
    {"LTX-Video 0.9.0": 6, "LTX-Video 0.9.1": 4, "LTX-Video 0.9.5 to 0.9.8": 4}
)
"""Least halo that keeps 30 dB at the seams between chunks, by release (``scripts/measure_halo.py``)."""

_FIRST_LAYERS = (4, 3, 3, 3, 4)  # of the decoder
_FIRST_WIDTHS = {
    "block_out_channels": (128, 256, 512, 512),
    "decoder_block_out_channels": (128, 256, 512, 512),
}

_PREFIX = "vae."
_LAST_LAYER = "encoder.conv_out.conv.weight"
_ONLY_EARLIER = "encoder.down_blocks.9."  # in files up to 0.9.1
_PARTS = (
    "encoder.",
    "decoder.",
    "per_channel_statistics.",
    "autoencoder.",
    "down.",
    "up.",
    "up_in.",
    "up_out.",
)


def load_vae_file(
    path: str | Path, own: Mapping[str, Any] | None = None, dtype: torch.dtype | None = None
) -> AutoencoderKLLTXVideo | AlignedAutoencoder:
    """Load an autoencoder from one safetensors file, with the original or diffusers' names.

    The names and shapes in the file are compared with the releases of LTX-Video. Only another
    ``AlignedAutoencoder`` with the same shapes can replace an ``AlignedAutoencoder``.

    Args:
        path: an original LTX-Video file (whole, or its VAE alone), or diffusers' own.
        own: configuration of the replaced VAE, also compared. The file's VAE must have the same number of
            latent channels.
        dtype: of the model; None: the file's.

    Raises:
        CheckpointError: the file is not a safetensors file, fits no configuration, or has other channels.
    """
    path = Path(path)
    weights = read_vae(path)
    aligned = own is not None and "inner" in own  # no other VAE has compatible latents
    candidates = {} if own is None else {"the checkpoint's own VAE": own}
    candidates |= {} if aligned else RELEASES
    differing: dict[str, int] = {}
    for name, config in candidates.items():
        with torch.device("meta"):
            model = (AlignedAutoencoder if aligned else AutoencoderKLLTXVideo).from_config(dict(config))
        differing[name] = len(compare(model.state_dict(), weights))
        if not differing[name]:
            _check_channels(path, name, config=model.config, own=own)
            weights = {key: at_precision(key, value, dtype) for key, value in weights.items()}
            load_strict(model, weights, f"{path} does not fit {name}", "Use an unmodified file")
            return model.eval().requires_grad_(False)
    details = "; ".join(f"{count} tensors differ from {name}" for name, count in differing.items())
    kind, advice = ("", "the checkpoint's own VAE") if aligned else ("LTX-Video ", "an unmodified file")
    raise CheckpointError(f"{path} is no {kind}autoencoder that fits: {details}. Use {advice}")


def halo_of(vae: AutoencoderKLLTXVideo | AlignedAutoencoder) -> int:
    """Latents of context on both sides of a chunk with which to decode by ``vae``.

    LTX-Video's decoders, of any width, have that of ``HALOS``; others that of ``DecodeSettings``.
    """
    layers = tuple(vae.config.get("decoder_layers_per_block", ()))
    for name, release in RELEASES.items():
        if layers == release.get("decoder_layers_per_block", _FIRST_LAYERS):
            return HALOS[name]
    return DecodeSettings().halo


def match_release(path: Path, weights: Mapping[str, Tensor]) -> tuple[str, dict[str, Any]]:
    """Name and configuration of the release whose autoencoder has these tensors, of any width.

    Args:
        path: the file, for messages.
        weights: under diffusers' names.

    Raises:
        CheckpointError: they are of no release.
    """
    differing: dict[str, int] = {}
    for name, release in RELEASES.items():
        config = _at_width(release, weights)
        with torch.device("meta"):
            model = AutoencoderKLLTXVideo.from_config(config)
        differing[name] = len(compare(model.state_dict(), weights))
        if not differing[name]:
            return name, config
    told = "; ".join(f"{count} tensors differ from {name}" for name, count in differing.items())
    raise CheckpointError(f"{path} holds no LTX-Video autoencoder: {told}. Use an unmodified file")


def _at_width(release: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """A release's configuration at the width that weights have: its own, or that of a small copy."""
    shapes = {name: value.shape for name, value in weights.items()}
    encoder = {**_FIRST_WIDTHS, **release}["block_out_channels"]
    decoder = {**_FIRST_WIDTHS, **release}["decoder_block_out_channels"]
    width = shapes.get("encoder.conv_in.conv.weight", (encoder[0],))[0]
    last = shapes.get("decoder.conv_in.conv.weight", (decoder[-1],))[0]
    return {
        **release,
        "block_out_channels": tuple(n * width // encoder[0] for n in encoder),
        "decoder_block_out_channels": tuple(n * last // decoder[-1] for n in decoder),
        "latent_channels": shapes.get("latents_mean", (128,))[0],
    }


def _check_channels(
    path: Path, release: str, config: Mapping[str, Any], own: Mapping[str, Any] | None
) -> None:
    found = config["latent_channels"]
    expected = found if own is None else own["latent_channels"]
    if found != expected:
        raise CheckpointError(
            f"{path} has {found} latent channels, as {release} has; expected {expected}, as the checkpoint's "
            "other parts have. Use the checkpoint's own VAE"
        )


def read_vae(path: Path) -> dict[str, Tensor]:
    """The autoencoder's tensors of a file, under diffusers' names.

    Raises:
        CheckpointError: no safetensors file, or an autoencoder in float8.
    """
    header = {key: info for key, info in read_header(path).items() if _is_autoencoder_key(key)}
    refuse_float8(path, header, CODEC)
    return _diffusers_names(
        {key: value for key, value in read_tensors(path).items() if _is_autoencoder_key(key)}
    )


def _is_autoencoder_key(key: str) -> bool:
    """Whether a tensor of a file belongs to the autoencoder; a whole file also contains the transformer."""
    return key.removeprefix(_PREFIX).startswith((*_PARTS, "latents_"))


def _diffusers_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    plain = {key.removeprefix(_PREFIX): value for key, value in weights.items()}
    if "per_channel_statistics.mean-of-means" not in plain or _LAST_LAYER not in plain:
        return plain
    original = {_PREFIX + key: value for key, value in plain.items()}
    if not any(key.startswith(_ONLY_EARLIER) for key in plain):
        # The converter tells 0.9.5 by the width of this layer alone, which narrower models lack.
        original[f"{_PREFIX}{_LAST_LAYER}"] = torch.empty(1, 2048, device="meta")
    converted: dict[str, Tensor] = convert_ltx_vae_checkpoint_to_diffusers(original)
    return converted | {_LAST_LAYER: plain[_LAST_LAYER]}
