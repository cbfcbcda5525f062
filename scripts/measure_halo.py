"""Measure a decoder's error at the seams between chunks for each halo; print a Markdown table.

A chunk is decoded with all latents before it and ``halo`` latents after it. The decoder sees more than these,
so the frames at the chunk's end differ from those of decoding all at once. The script prints a ratio in dB:
the variance of the frames to the mean square of the difference, over the 16 frames around each seam.

Decoders: LTX-Video's releases with their own layers at a sixteenth of their width and random weights, causal
and not, and one with trained weights (``--vae``). Latents: random (independent, the worst case), and smooth
(a Gaussian of 3 latents over them, as in quiet video).

    python scripts/measure_halo.py
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo

from read_core.checkpoint import load_model
from read_core.geometry import FRAMES_PER_LATENT
from read_core.video import DecodeSettings, TemporalVAE
from read_core.weights.ltx_vae import RELEASES

ROOT = Path(__file__).resolve().parents[1]
TRAINED = ROOT / "read_core" / "checkpoints" / "read-tiny" / "vae"
CHUNK, CHUNKS = 8, 3
HALOS = range(1, 7)
FIRST = {"block_out_channels": (128, 256, 512, 512), "decoder_block_out_channels": (128, 256, 512, 512)}


def decoders(trained: Path, narrow: int) -> Iterator[tuple[str, Any]]:
    """Names and autoencoders."""
    for release, config in RELEASES.items():
        widths = {name: [n // narrow for n in {**FIRST, **config}[name]] for name in FIRST}
        for causal in (False, True):
            torch.manual_seed(0)
            kind = {**config, **widths, "decoder_causal": causal, "latent_channels": 8}
            model = AutoencoderKLLTXVideo.from_config(kind).eval()
            with torch.no_grad():  # as large an effect of every layer as in a trained decoder
                for name, value in model.decoder.named_parameters():
                    if value.ndim == 5:
                        torch.nn.init.kaiming_normal_(value)
                    elif "per_channel_scale" in name:
                        value.normal_(std=0.1)
            yield f"{release}{', causal' if causal else ''}", model
    yield f"{trained.parent.name}, trained", load_model("vae", trained)


def latents(model: Any, smooth: bool) -> torch.Tensor:
    """(1, C, L, h, w), each with variance 1; h and w as an ``AlignedAutoencoder`` needs them, else one."""
    random = torch.Generator().manual_seed(1)
    channels, count = model.config.latent_channels, CHUNK * CHUNKS
    height, width = model.config.get("grid", (1, 1))
    noise = torch.randn(channels * height * width, 1, count, generator=random)
    if smooth:
        kernel = torch.exp(-0.5 * (torch.arange(-9, 10) / 3) ** 2)
        noise = torch.nn.functional.conv1d(noise, (kernel / kernel.norm())[None, None], padding="same")
    return noise.view(1, channels, height, width, count).movedim(-1, 2)


def decibels(model: Any, z: torch.Tensor, halos: Sequence[int]) -> list[float]:
    """What each halo keeps, in dB."""
    whole = TemporalVAE(model, DecodeSettings(halo=1, chunk=z.shape[2])).decode(z)
    seams = [FRAMES_PER_LATENT * (CHUNK * n) - FRAMES_PER_LATENT + 1 for n in range(1, CHUNKS)]
    near = [frame for seam in seams for frame in range(seam - 8, seam + 8)]
    found = []
    for halo in halos:
        parts = TemporalVAE(model, DecodeSettings(halo=halo, chunk=CHUNK)).decode(z)
        error = float((parts - whole)[:, near].square().mean())
        found.append(math.inf if error == 0 else 10 * math.log10(float(whole.var()) / error))
    return found


def exact_halo(vae: Any) -> int:
    """The halo that makes decoding in chunks exact: a bound on what the decoder of ``vae`` sees.

    Args:
        vae: an ``AutoencoderKLLTXVideo`` or ``AlignedAutoencoder``.
    """
    decoder = vae.decoder
    parts = [decoder.conv_in, decoder.mid_block, *decoder.up_blocks, decoder.conv_out]
    modules = [module for part in parts for module in part.modules()]
    kinds = [type(module).__name__ for module in modules]
    ups = [m.stride[0] for m, kind in zip(modules, kinds, strict=True) if kind == "LTXVideoUpsampler3d"]
    step = math.prod(ups)  # frames of the video that one frame within the decoder stands for
    reach, left = 0, 0  # left: the stride of an upsampler whose convolution comes next
    for module, kind in zip(modules, kinds, strict=True):
        if kind == "LTXVideoUpsampler3d":
            left = module.stride[0]
        elif kind == "LTXVideoCausalConv3d":
            sides = 1 if module.is_causal else 2
            reach += (module.kernel_size[0] - 1) // sides * step
            step, left = step // (left or 1), 0
    return math.ceil(reach / FRAMES_PER_LATENT) + 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Loss at the seams of chunked decoding, by the halo.")
    parser.add_argument("--vae", type=Path, default=TRAINED, help="folder of a trained VAE")
    parser.add_argument("--narrow", type=int, default=16, help="divisor of the releases' widths")
    args = parser.parse_args()
    print(f"| decoder | latents | {' | '.join(map(str, HALOS))} | exact from |")
    print(f"|---|---|{'---:|' * (len(HALOS) + 1)}")
    for name, model in decoders(args.vae, args.narrow):
        for kind in ("random", "smooth"):
            row = decibels(model, latents(model, kind == "smooth"), HALOS)
            print(
                f"| {name} | {kind} | {' | '.join(f'{v:.0f}' for v in row)} | {exact_halo(model)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
