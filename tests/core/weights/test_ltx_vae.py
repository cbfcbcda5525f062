"""LTX-Video autoencoders from single files. Original names come from ``original_files.py``."""

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo
from safetensors.torch import save_file

from read_core.errors import CheckpointError
from read_core.weights import ltx_vae
from read_core.weights.ltx_vae import RELEASES, load_vae_file

from .original_files import VAES, vae_name

SMALL = {**VAES["0.9.0"], "latent_channels": 8}


def small_vae():
    torch.manual_seed(0)
    vae = AutoencoderKLLTXVideo(**SMALL)
    vae.latents_mean.normal_()
    vae.latents_std.uniform_(0.5, 2.0)
    return vae.eval()


@pytest.mark.parametrize("prefix", ["", "vae."])
def test_original_names_decode_as_diffusers_does(tmp_path, prefix):
    vae = small_vae()
    state = {
        prefix + vae_name(key, "0.9.0").removeprefix("vae."): value.contiguous()
        for key, value in vae.state_dict().items()
    }
    state[f"{prefix}per_channel_statistics.channel"] = torch.arange(8)
    state["model.diffusion_model.patchify_proj.weight"] = torch.zeros(4)
    save_file(state, tmp_path / "ltx.safetensors")
    loaded = load_vae_file(tmp_path / "ltx.safetensors", own=vae.config)
    latents = torch.randn(1, 8, 2, 2, 2)
    with torch.no_grad():
        assert torch.equal(loaded.decode(latents).sample, vae.decode(latents).sample)
    assert torch.equal(loaded.latents_std, vae.latents_std)
    assert torch.equal(loaded.latents_mean, vae.latents_mean)


def test_diffusers_names_and_another_type(tmp_path):
    vae = small_vae()
    save_file(vae.state_dict(), tmp_path / "own.safetensors")
    loaded = load_vae_file(tmp_path / "own.safetensors", own=vae.config, dtype=torch.bfloat16)
    assert loaded.latents_std.dtype == torch.float32
    assert loaded.dtype == torch.bfloat16
    before, after = (each.decoder.get_parameter("conv_in.conv.weight") for each in (vae, loaded))
    assert torch.equal(after, before.to(torch.bfloat16))


def test_a_file_that_fits_no_release_says_how_far_off_it_is(tmp_path):
    state = small_vae().state_dict()
    save_file(state, tmp_path / "small.safetensors")
    with pytest.raises(CheckpointError, match=r"tensors differ from LTX-Video 0\.9\.0"):
        load_vae_file(tmp_path / "small.safetensors")


def test_a_release_with_other_latent_channels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ltx_vae, "RELEASES", {"LTX-Video small": SMALL})
    save_file(small_vae().state_dict(), tmp_path / "small.safetensors")
    assert load_vae_file(tmp_path / "small.safetensors").config.latent_channels == 8
    with pytest.raises(CheckpointError, match="has 8 latent channels, as LTX-Video small has; expected 16"):
        load_vae_file(tmp_path / "small.safetensors", own=SMALL | {"latent_channels": 16})


def test_releases_are_told_apart_by_their_tensors():
    shapes = []
    for config in RELEASES.values():
        with torch.device("meta"):
            vae = AutoencoderKLLTXVideo.from_config(dict(config))
        assert (vae.spatial_compression_ratio, vae.temporal_compression_ratio) == (32, 8)
        shapes.append(frozenset((key, tuple(value.shape)) for key, value in vae.state_dict().items()))
    assert len(set(shapes)) == len(RELEASES) == 3
