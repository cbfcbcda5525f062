"""Memory of full size by arithmetic: bfloat16, Split-CFG, by the size of the video and the window.

Nothing is run and no weights are needed. The figures are those of read_core.memory: weights of A2V-DiT and of
the VAE, and the work of the order clips with the frames of a chunk.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo
from timing import ROOT, Page

from read_core.ans import SplitCFG
from read_core.memory import (
    chunk_pixels,
    conditions_memory,
    decoding_memory,
    latents_memory,
    pictures_memory,
    sampling_memory,
    weights_memory,
)
from read_core.transformer import A2VTransformer3DModel
from read_core.transformer.configs import CONFIGS
from read_core.weights.ltx_vae import RELEASES

SIDES, WINDOWS = (256, 512, 768, 1024), (4, 8, 16, 24)
TEXT_TOKENS = 128


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with torch.device("meta"):
        model = A2VTransformer3DModel(**CONFIGS["ltx-2b"]).to(torch.bfloat16)
        vae = AutoencoderKLLTXVideo(**list(RELEASES.values())[-1]).to(torch.bfloat16)
    temporal: Any = SimpleNamespace(vae=vae, settings=SimpleNamespace(chunk=8), conv_dtype=None)
    prompt: Any = SimpleNamespace(embedding=range(TEXT_TOKENS))
    weights = weights_memory(model, vae)
    page = Page("Memory of full size by arithmetic")
    page.say(f"Weights {weights / 2**30:.1f} GB; columns: windows.")
    rows = []
    for side in SIDES:
        size, row = (side, side), [f"{side} x {side}"]
        for window in WINDOWS:
            settings: Any = SimpleNamespace(
                window=window, steps=8, order="clips", guidance=SplitCFG(2.0, 6.0), text=None
            )
            sampling = sampling_memory(model, prompt, settings, size)
            sampling += pictures_memory(chunk_pixels(temporal, size))
            decoding = decoding_memory(temporal, size) + conditions_memory(model, prompt, settings, size)
            latents = latents_memory(model.config.in_channels, window, size, 1)
            row.append(f"{(weights + latents + max(sampling, decoding)) / 2**30:.1f} GB")
        rows.append(row)
    page.table(["size", *map(str, WINDOWS)], rows)
    page.save(ROOT / "output" / "benchmarks" / "budgets.md")


if __name__ == "__main__":
    main()
