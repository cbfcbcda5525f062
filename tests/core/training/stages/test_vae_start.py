"""The linear start of the VAE: what linear algebra says it must be able to do."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import AutoencoderKLLTXVideo
from einops import rearrange

from read_core.training.stages.vae_start import _fit, initialize, patchify

CONFIG = Path(__file__).parents[4] / "configs" / "smoke" / "vae.yaml"
PATTERNS = 6


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_vae() -> AutoencoderKLLTXVideo:
    torch.manual_seed(0)
    return AutoencoderKLLTXVideo(**yaml.safe_load(CONFIG.read_text())["model"]).eval()


def low_rank_clips(count: int, seed: int) -> list[torch.Tensor]:
    """(1, 3, 9, 64, 64) each: every 32 x 32 x 8 block is a random mix of the same few smooth patterns."""
    coarse = torch.randn(PATTERNS, 3, 2, 3, 3, generator=generator(100))
    patterns = torch.nn.functional.interpolate(coarse, (8, 32, 32), mode="trilinear", align_corners=True)
    strength = torch.randn(count, 2, 2, PATTERNS, generator=generator(seed))
    blocks = torch.einsum("nhwp,pctij->nhwctij", strength, patterns)
    clips = 0.25 * rearrange(blocks, "n h w c t i j -> n c t (h i) (w j)")
    return list(torch.cat([clips[:, :, :1], clips], dim=2).split(1))


def ones(clips: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.ones_like(clip[:, :1]) for clip in clips]


def decibels(vae: AutoencoderKLLTXVideo, clips: list[torch.Tensor]) -> float:
    """Signal-to-noise ratio of the reconstruction, against the clips' own variance."""
    with torch.no_grad():
        outputs = [vae.decode(vae.encode(clip).latent_dist.mode()).sample for clip in clips]
    error = torch.cat(outputs) - torch.cat(clips)
    return -10 * math.log10(error.square().mean() / torch.cat(clips).var())


@pytest.fixture(scope="module")
def started() -> AutoencoderKLLTXVideo:
    vae = make_vae()
    clips = low_rank_clips(40, 0)
    initialize(vae, clips, ones(clips))
    return vae


def test_patches_are_in_the_order_of_the_encoder():
    vae, seen = make_vae(), []
    vae.encoder.conv_in.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    clip = torch.randn(2, 3, 9, 64, 96, generator=generator())
    with torch.no_grad():
        vae.encode(clip)
    assert torch.equal(patchify(clip, vae.encoder.patch_size), seen[0])


def test_clips_of_few_patterns_are_reconstructed(started):
    """Six numbers tell a block; sixteen channels are kept. Random weights keep nothing."""
    unseen = low_rank_clips(10, 1)
    assert decibels(make_vae(), unseen) < 1
    assert decibels(started, unseen) > 15


def test_the_bases_are_orthogonal_and_of_one_length(started):
    encoder = started.encoder
    first = encoder.conv_in.conv.weight[:48, :, 2, 1, 1]
    downsamplers = [b.downsamplers[0].conv.weight for b in encoder.down_blocks if b.downsamplers]
    for basis in (first, *(weight.flatten(1) for weight in downsamplers[:-1])):
        gram = basis @ basis.T
        torch.testing.assert_close(gram / gram[0, 0], torch.eye(len(basis)), atol=1e-4, rtol=0)


def test_latents_have_about_the_same_variance(started):
    with torch.no_grad():
        latents = torch.cat([started.encode(clip).latent_dist.mode() for clip in low_rank_clips(30, 2)])
    std = latents.std(dim=(0, 2, 3, 4))
    assert std.max() / std.min() < 4


def test_weights_say_where_the_reconstruction_counts():
    """Noise that cannot be kept, in one half of the picture: the other half is kept if it weighs more."""
    torch.manual_seed(0)
    clips = [0.3 * torch.randn(1, 3, 9, 64, 64, generator=generator(seed)) for seed in range(12)]
    left, right = torch.ones(1, 1, 9, 64, 64), torch.ones(1, 1, 9, 64, 64)
    left[..., :32], right[..., 32:] = 20.0, 20.0
    errors = []
    for weight in (left, right):
        vae = make_vae()
        initialize(vae, clips, [weight] * len(clips))
        with torch.no_grad():
            error = vae.decode(vae.encode(clips[0]).latent_dist.mode()).sample - clips[0]
        errors.append([error[..., :32].square().mean().item(), error[..., 32:].square().mean().item()])
    assert errors[0][0] < errors[1][0]
    assert errors[1][1] < errors[0][1]


@torch.no_grad()
def test_the_regression_finds_a_convolution():
    """Targets that a convolution made from the inputs: the same convolution comes back."""
    true, found = (make_vae().decoder.conv_out for _ in range(2))
    torch.nn.init.normal_(true.conv.weight)
    torch.nn.init.normal_(true.conv.bias)
    shape = (1, true.conv.in_channels, 5, 8, 8)
    inputs = [torch.randn(shape, generator=generator(seed)) for seed in range(3)]
    weights = [torch.rand(1, 1, 5, 8, 8, generator=generator(9 + seed)) + 0.1 for seed in range(3)]
    _fit(found.conv, inputs, [true(x) for x in inputs], weights, generator())
    torch.testing.assert_close(found.conv.weight, true.conv.weight, atol=0.02, rtol=0)
    torch.testing.assert_close(found.conv.bias, true.conv.bias, atol=0.02, rtol=0)
