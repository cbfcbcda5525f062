"""Core's own LTX-Video 0.9.0 autoencoder with random weights, to the file named on the command line.

The file says that the decoder pads with zeros, as diffusers does. Where a file is silent, core reflects.
"""

from __future__ import annotations

import json
import sys

import outside  # noqa: F401
import torch
from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE
from safetensors.torch import save_file

BLOCKS = [
    ("res_x", 4),
    ("compress_all", 1),
    ("res_x_y", 1),
    ("res_x", 3),
    ("compress_all", 1),
    ("res_x_y", 1),
    ("res_x", 3),
    ("compress_all", 1),
    ("res_x", 3),
    ("res_x", 4),
]
CONFIG = {
    "_class_name": "CausalVideoAutoencoder",
    "dims": 3,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 128,
    "blocks": BLOCKS,
    "scaling_factor": 1.0,
    "norm_layer": "pixel_norm",
    "patch_size": 4,
    "latent_log_var": "uniform",
    "use_quant_conv": False,
    "causal_decoder": False,
    "spatial_padding_mode": "zeros",
}

torch.manual_seed(0)
vae = VideoVAE(config=CONFIG)
weights = {}
for name, value in vae.state_dict().items():
    if name.endswith("std-of-means"):
        filled = torch.empty(value.shape).uniform_(0.5, 2)
    elif name.endswith("mean-of-means"):
        filled = torch.randn(value.shape)
    elif name.endswith(".weight") and value.ndim > 1:
        filled = torch.randn(value.shape) / value[0].numel() ** 0.5
    elif name.endswith(".weight"):
        filled = torch.ones(value.shape)
    else:
        filled = 0.1 * torch.randn(value.shape)
    weights[name] = filled.to(torch.bfloat16)
save_file(weights, sys.argv[1], {"config": json.dumps({"vae": CONFIG})})
