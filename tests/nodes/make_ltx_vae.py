"""Run by the host's interpreter: core's own LTX-Video 0.9.0 autoencoder with random weights, to a file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

import comfy.cli_args

comfy.cli_args.args.cpu = True

import torch
from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE
from safetensors.torch import save_file

torch.manual_seed(0)
vae = VideoVAE(version=0)
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
save_file(weights, sys.argv[1])
