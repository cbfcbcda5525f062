"""The linear start of the autoencoder of aligned faces: a basis for each position."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import AutoencoderKLLTXVideo
from einops import rearrange

from read_core.training.stages.aligned_start import initialize_aligned
from read_core.training.stages.vae_start import initialize
from read_core.video.aligned import AlignedAutoencoder

CONFIGS = Path(__file__).parents[4] / "configs"
PATTERNS, KEPT = 5, 8


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_vae() -> AlignedAutoencoder:
    torch.manual_seed(0)
    model = yaml.safe_load((CONFIGS / "photo" / "vae.yaml").read_text())["model"]
    inner = model["inner"] | {
        "latent_channels": 32,
        "block_out_channels": [64, 64],
        "decoder_block_out_channels": [32, 64],
    }
    return AlignedAutoencoder(inner=inner, grid=(2, 2), latent_channels=KEPT).eval()


def clips_of(count: int, seed: int) -> list[torch.Tensor]:
    """(1, 3, 9, 64, 64) each: every block is a random mix of patterns that only its position shows."""
    coarse = torch.randn(4 * PATTERNS, 3, 2, 3, 3, generator=generator(100))
    patterns = torch.nn.functional.interpolate(coarse, (8, 32, 32), mode="trilinear", align_corners=True)
    patterns = patterns.view(2, 2, PATTERNS, *patterns.shape[1:])
    strength = torch.randn(count, 2, 2, PATTERNS, generator=generator(seed))
    blocks = torch.einsum("nhwp,hwpctij->nhwctij", strength, patterns)
    clips = 0.25 * rearrange(blocks, "n h w c t i j -> n c t (h i) (w j)")
    return list(torch.cat([clips[:, :, :1], clips], dim=2).split(1))


def ones(clips: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.ones_like(clip[:, :1]) for clip in clips]


@torch.no_grad()
def decibels(vae: AlignedAutoencoder, clips: list[torch.Tensor]) -> float:
    outputs = [vae.decode(vae.encode(clip).latent_dist.mode()).sample for clip in clips]
    error = torch.cat(outputs) - torch.cat(clips)
    return -10 * math.log10(error.square().mean() / torch.cat(clips).var())


@pytest.fixture(scope="module")
def started() -> AlignedAutoencoder:
    vae, clips, more = make_vae(), clips_of(40, 0), clips_of(60, 5)
    initialize_aligned(vae, clips, ones(clips), zip(more, ones(more), strict=True))
    return vae


def test_positions_keep_what_they_show(started):
    """Five patterns per position, twenty in all; eight numbers hold the five, not the twenty."""
    unseen, clips = clips_of(12, 1), clips_of(40, 0)
    shared = AutoencoderKLLTXVideo(
        **yaml.safe_load((CONFIGS / "smoke" / "vae.yaml").read_text())["model"] | {"latent_channels": KEPT}
    ).eval()
    initialize(shared, clips, ones(clips))
    assert decibels(started, unseen) > 14
    assert decibels(started, unseen) > decibels(shared, unseen) + 2


def test_channels_mean_alike_at_all_positions(started):
    """Turned bases agree more than those of a random turn would."""
    maps = started.down.maps()[0].detach().flatten(0, 1)
    maps = maps / maps.norm(dim=-1, keepdim=True)
    agreement = torch.stack([(maps[i] * maps[j]).sum(-1).mean() for i in range(4) for j in range(i)])
    turned = torch.linalg.qr(torch.randn(4, KEPT, KEPT, generator=generator(7)))[0] @ maps
    chance = torch.stack([(turned[i] * turned[j]).sum(-1).mean() for i in range(4) for j in range(i)])
    assert agreement.mean() > 0.1
    assert agreement.mean() > chance.abs().max()


def test_down_undoes_up(started):
    latents = torch.randn(1, KEPT, 2, 2, 2, generator=generator(2))
    with torch.no_grad():
        torch.testing.assert_close(started.down(started.up(latents)), latents, atol=1e-3, rtol=0)


def test_what_counts_more_is_kept_better():
    clips = [0.3 * torch.randn(1, 3, 9, 64, 64, generator=generator(seed)) for seed in range(30)]
    errors = []
    for left in (True, False):
        weight = torch.ones(1, 1, 9, 64, 64)
        inside = weight[..., :16] if left else weight[..., 16:32]
        inside.fill_(30.0)
        vae = make_vae()
        initialize_aligned(vae, clips, [weight] * len(clips), whitening=0)
        with torch.no_grad():
            error = vae.decode(vae.encode(clips[0]).latent_dist.mode()).sample - clips[0]
        errors.append([error[..., :16].square().mean().item(), error[..., 16:32].square().mean().item()])
    assert errors[0][0] < errors[1][0]
    assert errors[1][1] < errors[0][1]
