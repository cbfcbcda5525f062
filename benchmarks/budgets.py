"""Memory of full size by arithmetic: bfloat16, Split-CFG and the student, by size of the video and window.

Nothing is run and no weights are needed. The figures are those of read_core.memory: weights of A2V-DiT, VAE
and the student, and the work of the order clips with the frames of a chunk.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo
from timing import ROOT, Page

from read_core.ans import DistilledCFG, Guidance, SplitCFG
from read_core.memory import (
    chunk_pixels,
    conditions_memory,
    decoding_memory,
    latents_memory,
    pictures_memory,
    sampling_memory,
    weights_memory,
)
from read_core.transformer import A2VTransformer3DModel, Student
from read_core.transformer.configs import CONFIGS
from read_core.transformer.student import corrected_names
from read_core.weights.ltx_vae import RELEASES

SIDES, WINDOWS = (256, 512, 768, 1024), (4, 8, 16, 24)
TEXT_TOKENS = 128
RANK = 64  # of the student, as in configs/full/distill.yaml
CARDS = (8, 12, 16, 24)  # GiB


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with torch.device("meta"):
        model = A2VTransformer3DModel(**CONFIGS["ltx-2b"]).to(torch.bfloat16)
        vae = AutoencoderKLLTXVideo(**list(RELEASES.values())[-1]).to(torch.bfloat16)
        student = Student(dict(CONFIGS["ltx-2b"]), RANK, alpha=(0.0, 4.0), beta=(1.0, 8.0)).to(torch.bfloat16)
    student.attach(model)
    page = Page("Memory of full size by arithmetic")
    own = weights_memory(model, vae)
    add_table(page, "Split-CFG, 8 steps", model, vae, own, SplitCFG(2.0, 6.0))
    own += weights_memory(student)
    own += sum(model.get_submodule(name).weight.nbytes for name in corrected_names(model))  # merged
    add_table(
        page,
        "The student, 4 steps, merged into a copy of the weights",
        model,
        vae,
        own,
        DistilledCFG(2.0, 6.0),
    )
    page.save(ROOT / "output" / "benchmarks" / "budgets.md")


def add_table(
    page: Page,
    title: str,
    model: A2VTransformer3DModel,
    vae: AutoencoderKLLTXVideo,
    weights: int,
    guidance: Guidance,
) -> None:
    """Add the memory by size and window, and the largest video that each card holds."""
    needs = {
        side: [need(model, vae, weights, guidance, side, window) for window in WINDOWS] for side in SIDES
    }
    page.say(f"{title}: weights {weights / 2**30:.1f} GiB; columns: windows.")
    page.table(
        ["size", *map(str, WINDOWS)],
        [[f"{side} x {side}", *(f"{one / 2**30:.1f} GiB" for one in row)] for side, row in needs.items()],
    )
    fits = {card: [side for side, row in needs.items() if max(row) <= card * 2**30] for card in CARDS}
    largest = (f"{card} GiB: {f'{max(sides)} pixels' if sides else 'none'}" for card, sides in fits.items())
    page.say(f"Largest side with every window, on a card of {', '.join(largest)}.")


def need(
    model: A2VTransformer3DModel,
    vae: AutoencoderKLLTXVideo,
    weights: int,
    guidance: Guidance,
    side: int,
    window: int,
) -> int:
    """Bytes for a video of side x side pixels."""
    size = (side, side)
    temporal: Any = SimpleNamespace(vae=vae, settings=SimpleNamespace(chunk=8), conv_dtype=None)
    prompt: Any = SimpleNamespace(embedding=range(TEXT_TOKENS))
    settings: Any = SimpleNamespace(
        window=window, steps=8, order="clips", guidance=guidance, guidance_end=1.0, text=None
    )
    sampling = sampling_memory(model, prompt, settings, size) + pictures_memory(chunk_pixels(temporal, size))
    decoding = decoding_memory(temporal, size) + conditions_memory(model, prompt, settings, size)
    latents = latents_memory(model.config.in_channels, window, size, 1)
    return weights + latents + max(sampling, decoding)


if __name__ == "__main__":
    main()
