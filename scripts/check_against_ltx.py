"""Compare what ``read-core init`` reads with the classes of LTX-Video's own repository, at random weights.

For each release, a transformer and an autoencoder of those classes, at small width, are written into one file
under their own names. From it A2V-DiT (its audio branch at its start) and diffusers' autoencoder are made and
asked the same. The clone is not part of this project and only read::

    git clone https://github.com/Lightricks/LTX-Video
    python scripts/check_against_ltx.py LTX-Video
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from read_core.geometry import FPS
from read_core.weights.ltx_transformer import load_diffusers
from read_core.weights.start import read_start

NEAR = 1e-4
LATENTS, WIDTH = 8, 8  # of the originals 128 and 128
FRAMES, PLACES = 3, (2, 3)
DECODE_TIME = 0.05
TRANSFORMER: Mapping[str, Any] = {
    "activation_fn": "gelu-approximate",
    "adaptive_norm": "single_scale_shift",
    "attention_bias": True,
    "attention_head_dim": 16,
    "caption_channels": 12,
    "cross_attention_dim": 32,
    "in_channels": LATENTS,
    "norm_elementwise_affine": False,
    "norm_eps": 1e-6,
    "num_attention_heads": 2,
    "num_layers": 2,
    "out_channels": LATENTS,
    "positional_embedding_max_pos": [20, 2048, 2048],
    "positional_embedding_theta": 10000.0,
    "positional_embedding_type": "rope",
    "qk_norm": "rms_norm",
    "standardization_norm": "rms_norm",
    "timestep_scale_multiplier": 1000,
}
AUTOENCODER: Mapping[str, Any] = {
    "_class_name": "CausalVideoAutoencoder",
    "dims": 3,
    "latent_channels": LATENTS,
    "latent_log_var": "uniform",
    "norm_layer": "pixel_norm",
    "patch_size": 4,
    "use_quant_conv": False,
    "encoder_base_channels": WIDTH,
    "decoder_base_channels": WIDTH,
}
FIRST_BLOCKS: list[Any] = [
    ["res_x", 4],
    ["compress_all", 1],
    ["res_x_y", 1],
    ["res_x", 3],
    ["compress_all", 1],
    ["res_x_y", 1],
    ["res_x", 3],
    ["compress_all", 1],
    ["res_x", 3],
    ["res_x", 4],
]


def later_decoder(layers: tuple[int, ...], noise: tuple[bool, ...]) -> dict[str, Any]:
    """Blocks of the decoders that know a time, from the picture to the latents."""
    blocks: list[Any] = []
    for count, noisy in zip(layers, noise, strict=True):
        blocks += [["res_x", {"num_layers": count, "inject_noise": noisy}]]
        blocks += [["compress_all", {"residual": True, "multiplier": 2}]]
    return {"decoder_blocks": blocks[:-1], "timestep_conditioning": True}


RELEASES: Mapping[str, tuple[dict[str, Any], bool]] = {
    "0.9.0": ({"blocks": FIRST_BLOCKS}, False),
    "0.9.1": (
        {"encoder_blocks": FIRST_BLOCKS, **later_decoder((5, 6, 7, 8), (True, True, True, False))},
        False,
    ),
    "0.9.5": (
        {
            "encoder_blocks": [
                ["res_x", {"num_layers": 4}],
                ["compress_space_res", {"multiplier": 2}],
                ["res_x", {"num_layers": 6}],
                ["compress_time_res", {"multiplier": 2}],
                ["res_x", {"num_layers": 6}],
                ["compress_all_res", {"multiplier": 2}],
                ["res_x", {"num_layers": 2}],
                ["compress_all_res", {"multiplier": 2}],
                ["res_x", {"num_layers": 2}],
            ],
            **later_decoder((5, 5, 5, 5), (False,) * 4),
        },
        True,
    ),
}
"""Release -> the autoencoder's blocks, and whether the time of a latent is that of its first frame."""


def main() -> None:
    """Compare all releases; exit status 1 if one differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clone", type=Path, help="a clone of LTX-Video")
    args = parser.parse_args()
    sys.path.insert(0, str(args.clone))
    worst = 0.0
    for release in RELEASES:
        for what, difference in compared(release).items():
            print(f"{release}, {what}: largest difference {difference:.1e} of the largest value", flush=True)
            worst = max(worst, difference)
    sys.exit(0 if worst < NEAR else f"expected less than {NEAR:g}")


@torch.no_grad()
def compared(release: str) -> dict[str, float]:
    """What -> largest difference, as a share of the largest value."""
    from ltx_video.models.autoencoders.causal_video_autoencoder import CausalVideoAutoencoder
    from ltx_video.models.autoencoders.vae_encode import (
        latent_to_pixel_coords,
        normalize_latents,
        vae_decode,
    )
    from ltx_video.models.transformers.symmetric_patchifier import SymmetricPatchifier
    from ltx_video.models.transformers.transformer3d import Transformer3DModel

    torch.manual_seed(0)
    blocks, causal = RELEASES[release]
    said = {**TRANSFORMER, "causal_temporal_positioning": causal}
    theirs = at_random(Transformer3DModel(**said))
    codec = at_random(CausalVideoAutoencoder.from_config({**AUTOENCODER, **blocks}))
    codec.register_buffer("mean_of_means", torch.randn(LATENTS), persistent=False)
    codec.register_buffer("std_of_means", 0.5 + torch.rand(LATENTS), persistent=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "original.safetensors"
        write(file, theirs, codec, said)
        start = read_start(file)
        start.transformer.save_pretrained(Path(folder) / "transformer")
        ours = load_diffusers(
            Path(folder) / "transformer", causal_coords=start.causal, code_dim=8, code_slots=2
        ).eval()

    latents = torch.randn(1, LATENTS, FRAMES, *PLACES)
    times, text = torch.rand(1, FRAMES), torch.randn(1, 5, TRANSFORMER["caption_channels"])
    tokens, places = SymmetricPatchifier(1).patchify(latents)
    grid = latent_to_pixel_coords(places, codec, causal_fix=causal).float()
    grid[:, 0] /= FPS
    expected = theirs(
        tokens,
        grid,
        encoder_hidden_states=text,
        timestep=times.repeat_interleave(PLACES[0] * PLACES[1], dim=1),
        return_dict=False,
    )[0]
    speech = ours.project_speech(torch.randn(1, FRAMES - 1, 2, 8))
    velocity = ours(latents, times, speech, ours.project_text(text))
    video = 2 * torch.rand(1, 3, 17, 32 * PLACES[0], 32 * PLACES[1]) - 1
    encoded = normalize_latents(codec.encode(video).latent_dist.mode(), codec, vae_per_channel_normalize=True)
    mean, std = (each.view(1, -1, 1, 1, 1) for each in (start.vae.latents_mean, start.vae.latents_std))
    time = torch.full((1,), DECODE_TIME) if "timestep_conditioning" in blocks else None
    decoded = vae_decode(encoded, codec, is_video=True, vae_per_channel_normalize=True, timestep=time)
    return {
        "velocity": difference(velocity.flatten(2).transpose(1, 2), expected),
        "encoding": difference((start.vae.encode(video).latent_dist.mean - mean) / std, encoded),
        "decoding": difference(start.vae.decode(encoded * std + mean, time).sample, decoded),
    }


def at_random(model: Any) -> Any:
    """The model, every weight random, but no noise added in the decoder: it would differ each time."""
    for name, weight in model.named_parameters():
        if "per_channel_scale" in name:
            nn.init.zeros_(weight)
        elif weight.ndim > 1:
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
        else:
            nn.init.normal_(weight, std=0.1)
    return model.eval()


def write(file: Path, transformer: nn.Module, codec: Any, said: Mapping[str, Any]) -> None:
    """A whole original file."""
    tensors = {f"model.diffusion_model.{key}": value for key, value in transformer.state_dict().items()}
    tensors |= {f"vae.{key}": value for key, value in codec.state_dict().items()}
    for name in ("mean", "std"):
        tensors[f"vae.per_channel_statistics.{name}-of-means"] = getattr(codec, f"{name}_of_means")
    config = {"transformer": dict(said), "vae": {"_class_name": "CausalVideoAutoencoder"}}
    contiguous = {key: value.contiguous() for key, value in tensors.items()}
    save_file(contiguous, file, {"config": json.dumps(config)})


def difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    if found.shape != expected.shape:
        raise SystemExit(f"shapes differ: {tuple(found.shape)} and {tuple(expected.shape)}")
    return float((found - expected).abs().max() / expected.abs().max())


if __name__ == "__main__":
    main()
