"""Our decoder against core's, with the same file; and the VAE that Load READ Models gives to core's nodes."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from .conftest import BUNDLED
from .host import run_in_host
from .prompts import load, node

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


@pytest.fixture(scope="module")
def ltx_vae(host, installation):
    """A file under models/vae: LTX-Video 0.9.0 as core builds it, random, under its own names."""
    target = host.base / "models" / "vae" / "ltx.safetensors"
    run_in_host(installation, "make_ltx_vae.py", target)
    yield target.name
    host.client.free(unload_models=True, free_memory=True)
    target.unlink()


def test_our_decoder_and_core_s_agree(client, timed, ltx_vae):
    prompt = {
        "latent": node("ReadTest_Latent", frames=2, height=2, width=2),
        "models": load(checkpoint=timed, vae=ltx_vae, dtype="float32"),
        "ours": node("READ_Decode", models=["models", 0], latent=["latent", 0]),
        "vae": node("ReadTest_VAE", name=ltx_vae),
        "core's": node("VAEDecode", vae=["vae", 0], samples=["latent", 0]),
        "our frames": node("ReadTest_Dump", value=["ours", 0], name="ours"),
        "core's frames": node("ReadTest_Dump", value=["core's", 0], name="core"),
    }
    run = client.run(prompt)
    assert run.status == "success", run.error
    ours = load_file(run.ui("our frames", "file"))["value"]
    core = load_file(run.ui("core's frames", "file"))["value"]
    assert ours.shape == core.shape == (9, 64, 64, 3)
    assert core.std() > 0.05
    torch.testing.assert_close(ours, core, rtol=0, atol=2e-3)


def test_our_encoder_and_core_s_agree(client, timed, ltx_vae):
    """The portrait's latent, through the pixels that both decode it to."""
    prompt = {
        "image": node("ReadTest_Image", width=64, height=64, channels=3, batch=1),
        "models": load(checkpoint=timed, vae=ltx_vae),
        "ours": node(
            "READ_EncodeReference",
            models=["models", 0],
            image=["image", 0],
            width=64,
            height=64,
            fit="crop",
            index=0,
        ),
        "vae": node("ReadTest_VAE", name=ltx_vae),
        "core's": node("VAEEncode", vae=["vae", 0], pixels=["ours", 1]),
        "our latent": node("ReadTest_Dump", value=["ours", 0], name="ours"),
        "core's latent": node("ReadTest_Dump", value=["core's", 0], name="core"),
    }
    run = client.run(prompt)
    assert run.status == "success", run.error
    ours = load_file(run.ui("our latent", "file"))["latent"]
    core = load_file(run.ui("core's latent", "file"))["samples"]
    torch.testing.assert_close(ours, core, rtol=0, atol=5e-3)


def test_core_s_own_loader_takes_the_file_too(client, ltx_vae):
    prompt = {
        "latent": node("ReadTest_Latent", frames=1, height=2, width=2),
        "vae": node("VAELoader", vae_name=ltx_vae),
        "frames": node("VAEDecode", vae=["vae", 0], samples=["latent", 0]),
        "dump": node("ReadTest_Dump", value=["frames", 0]),
    }
    run = client.run(prompt)
    assert run.status == "success", run.error
    assert load_file(run.ui("dump", "file"))["value"].shape == (1, 64, 64, 3)


# The output ``vae``: pixels go through -1..1 in float32, which is all that may differ.
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def timed(host):
    """A checkpoint whose decoder has another shape than its encoder, a time and noise of its own."""
    from diffusers import AutoencoderKLLTXVideo

    from read_core.video.configs import TINY

    torch.manual_seed(0)
    changes = {
        "latent_channels": 128,
        "decoder_layers_per_block": (1, 2, 1, 1),
        "decoder_inject_noise": (True, True, False, False),
    }
    vae = AutoencoderKLLTXVideo(**{**TINY, **changes})
    vae.latents_mean.uniform_(-1, 1)
    vae.latents_std.uniform_(0.5, 2)
    for name, weight in vae.named_parameters():
        if "per_channel_scale" in name:
            weight.data.normal_(std=0.1)
    return checkpoint_with(host, vae, "timed")


@pytest.fixture(scope="module")
def aligned(host):
    """A checkpoint with a VAE of aligned faces, whose maps differ from place to place."""
    from read_core.video import AlignedAutoencoder
    from read_core.video.configs import TINY_INNER

    torch.manual_seed(0)
    vae = AlignedAutoencoder(inner=dict(TINY_INNER), grid=(2, 3))
    for linear in (vae.down, vae.up):
        torch.nn.init.normal_(linear.weight, std=0.1)
    return checkpoint_with(host, vae, "aligned-vae")


def checkpoint_with(host, vae, name):
    """read-tiny with another VAE; its name."""
    folder = host.base / "models" / "read" / name
    shutil.copytree(BUNDLED, folder)
    shutil.rmtree(folder / "vae")
    vae.save_pretrained(folder / "vae")
    kind, card = type(vae).__name__, folder / "model_index.json"
    package = "read_core.video" if kind == "AlignedAutoencoder" else "diffusers"
    index = json.loads(card.read_text()) | {"format": 2, "vae": [package, kind]}
    card.write_text(json.dumps(index))
    return name


def both_decoders(client, **inputs):
    """Frames of READ Temporal VAE Decode and of core's VAE Decode, of more latents than one chunk."""
    prompt = {
        "latent": node("ReadTest_Latent", frames=11, height=2, width=3),
        "models": load(**inputs),
        "ours": node("READ_Decode", models=["models", 0], latent=["latent", 0]),
        "core's": node("VAEDecode", vae=["models", 1], samples=["latent", 0]),
        "our frames": node("ReadTest_Dump", value=["ours", 0], name="ours"),
        "core's frames": node("ReadTest_Dump", value=["core's", 0], name="core"),
    }
    run = client.run(prompt)
    assert run.status == "success", run.error
    return [load_file(run.ui(name, "file"))["value"] for name in ("our frames", "core's frames")]


@pytest.mark.parametrize("checkpoint", ["read-tiny", "timed", "aligned-vae"])
def test_core_decodes_with_the_checkpoint_s_vae_as_we_do(client, timed, aligned, checkpoint):
    ours, core = both_decoders(client, checkpoint=checkpoint)
    assert ours.shape == core.shape == (81, 64, 96, 3)
    assert ours.std() > 0.05
    torch.testing.assert_close(core, ours, rtol=0, atol=ROUNDING)


def test_core_decodes_with_a_file_in_its_place_as_we_do(client, timed, ltx_vae):
    ours, core = both_decoders(client, checkpoint=timed, vae=ltx_vae)
    torch.testing.assert_close(core, ours, rtol=0, atol=ROUNDING)


def test_core_encodes_a_portrait_with_the_checkpoint_s_vae_as_we_do(client):
    """The latent too is normalized; of what core's node crops to multiples of 32 nothing is left here."""
    prompt = {
        "image": node("ReadTest_Image", width=96, height=64, channels=3, batch=1),
        "models": load(),
        "ours": node(
            "READ_EncodeReference",
            models=["models", 0],
            image=["image", 0],
            width=96,
            height=64,
            fit="crop",
            index=0,
        ),
        "core's": node("VAEEncode", vae=["models", 1], pixels=["image", 0]),
        "our latent": node("ReadTest_Dump", value=["ours", 0], name="ours"),
        "core's latent": node("ReadTest_Dump", value=["core's", 0], name="core"),
    }
    run = client.run(prompt)
    assert run.status == "success", run.error
    ours = load_file(run.ui("our latent", "file"))["latent"]
    core = load_file(run.ui("core's latent", "file"))["samples"]
    assert 0.1 < ours.std() < 10
    torch.testing.assert_close(core, ours, rtol=0, atol=1e-5)


def test_core_s_tiled_nodes_take_it_too(client):
    """Twenty frames are encoded as the seventeen that make whole latents."""
    tiles = {"tile_size": 64, "overlap": 32, "temporal_size": 64, "temporal_overlap": 8}
    prompt = {
        "image": node("ReadTest_Image", width=96, height=64, channels=3, batch=20),
        "models": load(),
        "latent": node("VAEEncodeTiled", vae=["models", 1], pixels=["image", 0], **tiles),
        "frames": node("VAEDecodeTiled", vae=["models", 1], samples=["latent", 0], **tiles),
        "dump": node("ReadTest_Dump", value=["frames", 0]),
    }
    run = client.run(prompt)
    assert run.status == "success", run.error
    assert load_file(run.ui("dump", "file"))["value"].shape == (17, 64, 96, 3)


def test_tiles_of_a_vae_that_knows_places_are_the_whole_picture(client, aligned):
    prompt = {
        "latent": node("ReadTest_Latent", frames=2, height=2, width=3),
        "models": load(checkpoint=aligned),
        "whole": node("VAEDecode", vae=["models", 1], samples=["latent", 0]),
        "tiled": node(
            "VAEDecodeTiled",
            vae=["models", 1],
            samples=["latent", 0],
            tile_size=64,
            overlap=32,
            temporal_size=64,
            temporal_overlap=8,
        ),
        "whole frames": node("ReadTest_Dump", value=["whole", 0], name="whole"),
        "tiled frames": node("ReadTest_Dump", value=["tiled", 0], name="tiled"),
    }
    run = client.run(prompt)
    assert run.status == "success", run.error
    whole, tiled = (load_file(run.ui(f"{name} frames", "file"))["value"] for name in ("whole", "tiled"))
    assert torch.equal(whole, tiled)


def test_core_is_told_which_latents_fit(client):
    prompt = {
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "models": load(),
        "frames": node("VAEDecode", vae=["models", 1], samples=["latent", 0]),
        "dump": node("ReadTest_Dump", value=["frames", 0]),
    }
    run = client.run(prompt)
    assert run.status == "error"
    assert "expected a video's latents" in run.error["exception_message"]
