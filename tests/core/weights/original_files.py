"""Small files of LTX-Video's real format, under the original names, which are written down here by hand."""

from __future__ import annotations

import json
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel
from safetensors.torch import save_file

LATENTS = 8
SHAPE = {
    "in_channels": LATENTS,
    "out_channels": LATENTS,
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "num_layers": 2,
    "caption_channels": 12,
}
_LATER_DECODER = {
    "decoder_block_out_channels": (8, 16, 32),
    "decoder_spatio_temporal_scaling": (True, True, True),
    "upsample_residual": (True, True, True),
    "upsample_factor": (2, 2, 2),
    "timestep_conditioning": True,
}
VAES: dict[str, dict[str, Any]] = {
    "0.9.0": {"block_out_channels": (8, 16, 32, 32), "decoder_block_out_channels": (8, 16, 32, 32)},
    "0.9.1": {
        "block_out_channels": (8, 16, 32, 32),
        **_LATER_DECODER,
        "decoder_layers_per_block": (5, 6, 7, 8),
        "decoder_inject_noise": (True, True, True, False),
    },
    "0.9.5": {
        "block_out_channels": (8, 16, 32, 64, 128),
        "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
        "layers_per_block": (4, 6, 6, 2, 2),
        "spatio_temporal_scaling": (True, True, True, True),
        "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        **_LATER_DECODER,
        "decoder_layers_per_block": (5, 5, 5, 5),
        "decoder_inject_noise": (False, False, False, False),
        "spatial_compression_ratio": 32,
        "temporal_compression_ratio": 8,
    },
}
"""The releases' own layers at a sixteenth of their width, and fewer latents."""

_TRANSFORMER = {
    "proj_in.": "patchify_proj.",
    "time_embed.": "adaln_single.",
    "norm_q.": "q_norm.",
    "norm_k.": "k_norm.",
}
# The originals count the blocks of each half in one row; diffusers groups them.
_EARLIER_ENCODER = {
    "down_blocks.0.resnets": "down_blocks.0.res_blocks",
    "down_blocks.0.downsamplers.0": "down_blocks.1",
    "down_blocks.0.conv_out": "down_blocks.2",
    "down_blocks.1.resnets": "down_blocks.3.res_blocks",
    "down_blocks.1.downsamplers.0": "down_blocks.4",
    "down_blocks.1.conv_out": "down_blocks.5",
    "down_blocks.2.resnets": "down_blocks.6.res_blocks",
    "down_blocks.2.downsamplers.0": "down_blocks.7",
    "down_blocks.3.resnets": "down_blocks.8.res_blocks",
    "mid_block.resnets": "down_blocks.9.res_blocks",
}
_LATER_ENCODER = {
    "down_blocks.0.resnets": "down_blocks.0.res_blocks",
    "down_blocks.0.downsamplers.0": "down_blocks.1",
    "down_blocks.1.resnets": "down_blocks.2.res_blocks",
    "down_blocks.1.downsamplers.0": "down_blocks.3",
    "down_blocks.2.resnets": "down_blocks.4.res_blocks",
    "down_blocks.2.downsamplers.0": "down_blocks.5",
    "down_blocks.3.resnets": "down_blocks.6.res_blocks",
    "down_blocks.3.downsamplers.0": "down_blocks.7",
    "mid_block.resnets": "down_blocks.8.res_blocks",
}
_EARLIER_DECODER = {
    "mid_block.resnets": "up_blocks.0.res_blocks",
    "up_blocks.0.resnets": "up_blocks.1.res_blocks",
    "up_blocks.1.upsamplers.0": "up_blocks.2",
    "up_blocks.1.resnets": "up_blocks.3.res_blocks",
    "up_blocks.2.conv_in": "up_blocks.4",
    "up_blocks.2.upsamplers.0": "up_blocks.5",
    "up_blocks.2.resnets": "up_blocks.6.res_blocks",
    "up_blocks.3.conv_in": "up_blocks.7",
    "up_blocks.3.upsamplers.0": "up_blocks.8",
    "up_blocks.3.resnets": "up_blocks.9.res_blocks",
}
_LATER_DECODER_NAMES = {
    "mid_block.resnets": "up_blocks.0.res_blocks",
    "mid_block.time_embedder": "up_blocks.0.time_embedder",
    "up_blocks.0.upsamplers.0": "up_blocks.1",
    "up_blocks.0.resnets": "up_blocks.2.res_blocks",
    "up_blocks.0.time_embedder": "up_blocks.2.time_embedder",
    "up_blocks.1.upsamplers.0": "up_blocks.3",
    "up_blocks.1.resnets": "up_blocks.4.res_blocks",
    "up_blocks.1.time_embedder": "up_blocks.4.time_embedder",
    "up_blocks.2.upsamplers.0": "up_blocks.5",
    "up_blocks.2.resnets": "up_blocks.6.res_blocks",
    "up_blocks.2.time_embedder": "up_blocks.6.time_embedder",
    "time_embedder": "last_time_embedder",
    "scale_shift_table": "last_scale_shift_table",
}
_HALVES = {
    "0.9.0": (_EARLIER_ENCODER, _EARLIER_DECODER),
    "0.9.1": (_EARLIER_ENCODER, _LATER_DECODER_NAMES),
    "0.9.5": (_LATER_ENCODER, _LATER_DECODER_NAMES),
}


def transformer_name(key: str) -> str:
    """diffusers' name of a transformer's tensor -> LTX-Video's."""
    for name, original in _TRANSFORMER.items():
        key = key.replace(name, original)
    return f"model.diffusion_model.{key}"


def vae_name(key: str, release: str) -> str:
    """diffusers' name of an autoencoder's tensor -> LTX-Video's."""
    if key in ("latents_mean", "latents_std"):
        return f"vae.per_channel_statistics.{'mean' if key.endswith('mean') else 'std'}-of-means"
    half, rest = key.split(".", 1)
    for new, old in _HALVES[release][half == "decoder"].items():
        if rest == new or rest.startswith(new + "."):
            rest = old + rest[len(new) :]
            break
    rest = rest.replace("conv_shortcut.conv.", "conv_shortcut.").replace("norm3.", "norm3.norm.")
    return f"vae.{half}.{rest}"


def ltx_models(release: str = "0.9.5", shape: dict = SHAPE):
    """A transformer and a VAE of a release's form, small, with random weights."""
    torch.manual_seed(0)
    width = shape["num_attention_heads"] * shape["attention_head_dim"]
    transformer = LTXVideoTransformer3DModel(**shape, cross_attention_dim=width).eval()
    vae = AutoencoderKLLTXVideo(**VAES[release], latent_channels=shape["in_channels"]).eval()
    vae.latents_mean.normal_()
    vae.latents_std.uniform_(0.5, 2.0)
    return transformer, vae


def metadata(shape: dict = SHAPE, causal: bool | None = True) -> dict[str, str]:
    """What an original file says of itself."""
    said = dict(shape, qk_norm="rms_norm", positional_embedding_type="rope")
    if causal is not None:
        said["causal_temporal_positioning"] = causal
    return {"config": json.dumps({"transformer": said, "vae": {"_class_name": "CausalVideoAutoencoder"}})}


def original_tensors(transformer, vae, release: str) -> dict:
    """All tensors of a whole original file."""
    tensors = {transformer_name(k): v.clone() for k, v in transformer.state_dict().items()}
    tensors |= {vae_name(k, release): v.clone() for k, v in vae.state_dict().items()}
    count = len(vae.latents_mean)
    extra = ("channel", "mean-of-stds", "mean-of-stds_over_std-of-means")
    return tensors | {f"vae.per_channel_statistics.{name}": torch.arange(float(count)) for name in extra}


def write_original(path, release: str = "0.9.5", causal: bool | None = True):
    """A whole original file at ``path``; returns its transformer and VAE."""
    transformer, vae = ltx_models(release)
    save_file(original_tensors(transformer, vae, release), path, metadata(causal=causal))
    return transformer, vae
