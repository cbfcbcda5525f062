"""The autoencoder of aligned faces: one linear map per position, and the same interface as LTX-Video's."""

from __future__ import annotations

from typing import TypeVar

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo

from read_core.checkpoint import load_model
from read_core.errors import CheckpointError
from read_core.training.config import LoopConfig
from read_core.training.optim import make_optimizer, orthogonalize
from read_core.video import DecodeSettings, TemporalVAE
from read_core.video.aligned import AlignedAutoencoder, PositionwiseLinear, fold, unfold
from read_core.video.configs import TINY_INNER
from read_core.weights.fingerprint import fingerprint
from read_core.weights.ltx_vae import load_vae_file

Filled = TypeVar("Filled", bound=torch.nn.Module)


def filled(module: Filled, seed: int = 0) -> Filled:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return module


def make_vae(grid: tuple[int, int] = (2, 3)) -> AlignedAutoencoder:
    torch.manual_seed(0)
    vae = AlignedAutoencoder(inner=dict(TINY_INNER), grid=grid, latent_channels=6)
    filled(vae.down), filled(vae.up)
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def test_each_position_has_a_map_of_its_own():
    layer = filled(PositionwiseLinear((2, 3), 4, 5))
    weight, bias = layer.maps()
    x = torch.randn(2, 4, 3, 2, 3)
    y = layer(x)
    for i in range(2):
        for j in range(3):
            naive = torch.einsum("bcl,dc->bdl", x[..., i, j], weight[i, j]) + bias[i, j][None, :, None]
            torch.testing.assert_close(y[..., i, j], naive)


@torch.no_grad()
def test_another_grid_takes_maps_from_between():
    layer = filled(PositionwiseLinear((2, 2), 3, 4))
    weight, bias = layer.maps()
    x = torch.randn(1, 3, 1, 1, 1)
    middle = torch.einsum("bclhw,dc->bdlhw", x, weight.mean((0, 1))) + bias.mean((0, 1)).view(1, -1, 1, 1, 1)
    torch.testing.assert_close(layer(x), middle)
    assert layer(torch.randn(1, 3, 2, 4, 6)).shape == (1, 4, 2, 4, 6)


def test_blocks_are_those_of_a_causal_convolution():
    """Weights that pick one latent of a block, as a strided convolution with a repeated first frame."""
    latents = torch.randn(1, 3, 5, 4, 6)
    blocks = fold(latents)
    assert blocks.shape == (1, 24, 3, 2, 3)
    assert torch.equal(unfold(blocks), latents)
    padded = torch.cat([latents[:, :, :1], latents], dim=2)
    for index in range(24):
        kernel = torch.zeros(1, 24)
        kernel[0, index] = 1
        found = torch.nn.functional.conv3d(padded, kernel.view(1, 3, 2, 2, 2), stride=2)
        assert torch.equal(found[:, 0], blocks[:, index])


@torch.no_grad()
def test_it_stands_where_an_ltx_video_autoencoder_does(tmp_path):
    """Sizes, chunked decoding (whole once the halo covers what the decoder sees), saving and loading."""
    vae = make_vae()
    vae.latents_mean.normal_()
    vae.latents_std.uniform_(0.5, 2)
    temporal = TemporalVAE(vae, DecodeSettings(halo=12, chunk=2))
    latents = temporal.encode(torch.rand(1, 33, 64, 96, 3))
    assert latents.shape == (1, 6, 5, 2, 3)
    frames = temporal.decode(latents)
    assert frames.shape == (1, 33, 64, 96, 3)
    whole = vae.decode(temporal.denormalize(latents)).sample
    torch.testing.assert_close(
        frames, (whole / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 4, 1), atol=1e-5, rtol=0
    )
    vae.save_pretrained(tmp_path / "vae")
    loaded = load_model("vae", tmp_path / "vae")
    assert torch.equal(TemporalVAE(loaded, DecodeSettings(halo=12, chunk=2)).decode(latents), frames)


@torch.no_grad()
def test_a_hidden_layer_adds_nothing_before_it_is_trained(tmp_path):
    vae = make_vae()
    wide = vae.widened(7).eval()
    latents = torch.randn(1, 6, 3, 2, 3)
    assert torch.equal(wide.decode(latents).sample, vae.decode(latents).sample)
    filled(wide.up_out)
    wide.save_pretrained(tmp_path / "wide")
    loaded = load_model("vae", tmp_path / "wide")
    assert loaded.config.up_hidden == 7
    assert torch.equal(loaded.decode(latents).sample, wide.decode(latents).sample)
    assert not torch.allclose(wide.decode(latents).sample, vae.decode(latents).sample, atol=0.01)
    assert torch.equal(wide.widened(7).decode(latents).sample, wide.decode(latents).sample)
    with pytest.raises(ValueError, match="up_hidden 7; expected 0 or 8"):
        wide.widened(8)


@torch.no_grad()
def test_the_hidden_layer_is_a_small_network_for_each_position():
    wide = make_vae().widened(7)
    for layer in (wide.up, wide.up_in, wide.up_out):
        filled(layer)
    seen: list[torch.Tensor] = []
    wide.autoencoder.decode = seen.append
    latents = torch.randn(1, 6, 2, 2, 3)
    wide.decode(latents)
    linear, inner, outer = (layer.maps() for layer in (wide.up, wide.up_in, wide.up_out))
    for i in range(2):
        for j in range(3):
            x = latents[0, :, :, i, j].T
            hidden = torch.nn.functional.gelu(x @ inner[0][i, j].T + inner[1][i, j])
            naive = x @ linear[0][i, j].T + linear[1][i, j] + hidden @ outer[0][i, j].T + outer[1][i, j]
            torch.testing.assert_close(fold(seen[0])[0, :, 1, i, j], naive[1])


def test_another_compression_is_refused():
    with pytest.raises(ValueError, match="expected 4 x 16"):
        AlignedAutoencoder(inner={**TINY_INNER, "patch_size": 2})


def test_loading_knows_the_two_kinds(tmp_path):
    torch.manual_seed(0)
    AutoencoderKLLTXVideo(**TINY_INNER).save_pretrained(tmp_path / "ltx")
    make_vae().save_pretrained(tmp_path / "aligned")
    assert isinstance(load_model("vae", tmp_path / "ltx"), AutoencoderKLLTXVideo)
    assert isinstance(load_model("vae", tmp_path / "aligned"), AlignedAutoencoder)
    make_vae((1, 3)).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text((tmp_path / "aligned" / "config.json").read_text())
    with pytest.raises(CheckpointError, match=r"down.weight has shape"):
        load_model("vae", tmp_path / "other")


def test_only_a_vae_of_its_kind_takes_its_place(tmp_path):
    make_vae().save_pretrained(tmp_path / "aligned")
    torch.manual_seed(0)
    AutoencoderKLLTXVideo(**TINY_INNER).save_pretrained(tmp_path / "ltx")
    name, own = "diffusion_pytorch_model.safetensors", make_vae().config
    assert isinstance(load_vae_file(tmp_path / "aligned" / name, own=own), AlignedAutoencoder)
    with pytest.raises(CheckpointError, match=r"differ .* Use the checkpoint's own VAE$"):
        load_vae_file(tmp_path / "ltx" / name, own=own)


def test_muon_turns_each_position_alone():
    """One step from zero momentum: each position's update is its gradient's nearest orthogonal matrix."""
    layer = filled(PositionwiseLinear((2, 2), 8, 4))
    optimizer = make_optimizer(layer, LoopConfig(steps=1, batch_size=1, learning_rate=0.1, optimizer="muon"))
    before = layer.maps()[0].detach().clone()
    gradient = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(3))
    layer.weight.grad = gradient.clone()
    optimizer.step()
    moved = (before - layer.maps()[0].detach()) / 0.1
    gradients = gradient.view(4, 2, 2, 8).permute(1, 2, 0, 3)
    torch.testing.assert_close(moved, orthogonalize(gradients), atol=2e-3, rtol=0)


def test_latents_of_a_vae_outlive_a_hidden_layer_of_its_decoder(tmp_path):
    """The encoder alone is in their fingerprint; a file with the layer can take the VAE's place."""
    wide = make_vae().widened(7)
    filled(wide.up_out)
    make_vae().save_pretrained(tmp_path / "plain")
    wide.save_pretrained(tmp_path / "wide")
    plain, other = tmp_path / "plain", tmp_path / "wide"
    assert fingerprint([other]) == fingerprint([plain])
    assert fingerprint([other], decoders=True) != fingerprint([plain], decoders=True)
    loaded = load_vae_file(other / "diffusion_pytorch_model.safetensors", own=wide.config)
    assert torch.equal(loaded.up_out.weight, wide.up_out.weight)
