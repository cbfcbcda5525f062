"""Our decoder against core's, with the same file."""

import pytest
import torch
from safetensors.torch import load_file

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


def test_our_decoder_and_core_s_agree(client, ltx_vae):
    prompt = {
        "latent": node("ReadTest_Latent", frames=2, height=2, width=2),
        "models": load(vae=ltx_vae),
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


def test_our_encoder_and_core_s_agree(client, ltx_vae):
    """The portrait's latent, through the pixels that both decode it to."""
    prompt = {
        "image": node("ReadTest_Image", width=64, height=64, channels=3, batch=1),
        "models": load(vae=ltx_vae),
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
