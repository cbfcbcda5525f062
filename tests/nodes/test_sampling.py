"""ANS Sampler and Temporal VAE Decode through the API."""

import pytest
import torch
from safetensors.torch import load_file

from .prompts import changed, node, quick

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def digest(client, prompt, number="7"):
    run = client.run(prompt)
    assert run.status == "success", run.error
    return run.ui(number, "digest")


def test_a_seed_gives_the_same_latents_each_time(client):
    first = digest(client, quick(seed=11))
    other = digest(client, quick(seed=12))
    client.free(unload_models=True, free_memory=True)
    again = digest(client, quick(seed=11))
    assert first == again != other


def test_latents_do_not_depend_on_the_order(client):
    """``clips`` and ``steps`` to the bit, over several clips; ``wavefront`` to rounding."""
    found = {}
    for order in ("clips", "steps", "wavefront"):
        run = client.run(quick(order=order, steps=2, duration=1.0))
        assert run.status == "success", run.error
        found[order] = load_file(run.ui("7", "file"))["samples"]
    assert found["clips"].shape[2] > 3
    assert torch.equal(found["clips"], found["steps"])
    torch.testing.assert_close(found["wavefront"], found["clips"], rtol=1e-3, atol=1e-3)


def test_the_latent_is_core_s_kind_and_carries_what_decoding_needs(client):
    run = client.run(quick(seed=2**64 - 1))
    samples = load_file(run.ui("7", "file"))["samples"]
    assert samples.ndim == 5
    assert samples.shape[:2] == (1, 128)
    assert samples.dtype == torch.float32
    assert run.ui("7", "plain") == {
        "read_num_frames": 13,
        "read_seed": 2**64 - 1,
        "read_checkpoint": "read-tiny",
    }


def test_every_guidance_samples_differently(client):
    kinds = [
        {"guidance": "none"},
        {"guidance": "checkpoint default"},
        {"guidance": "split", "guidance.alpha": -2.0, "guidance.beta": 3.0},
        {"guidance": "joint", "guidance.alpha": 1.0},
    ]
    found = []
    for kind in kinds:
        prompt = quick()
        prompt["6"]["inputs"] |= kind
        found.append(digest(client, prompt))
    assert len(set(found)) == len(kinds)


def test_text_reaches_the_sampler(client, stored_prompt):
    prompt = quick()
    prompt["8"] = node("ReadTest_Prompt", file=stored_prompt)
    prompt["6"]["inputs"]["conditioning"] = ["8", 0]
    assert digest(client, prompt) != digest(client, quick())


def test_core_s_latent_files_come_back_the_same(host, client):
    """SaveLatent writes what the sampler gives; our decoder takes what LoadLatent reads."""
    prompt = quick()
    prompt["8"] = node("SaveLatent", samples=["6", 0], filename_prefix="latents/read")
    run = client.run(prompt)
    (item,) = run.files("8")
    file = host.output / item["subfolder"] / item["filename"]
    (host.base / "input" / "stored.latent").write_bytes(file.read_bytes())
    loaded = {
        "1": prompt["1"],
        "2": node("LoadLatent", latent="stored.latent"),
        "3": node("READ_Decode", models=["1", 0], latent=["2", 0]),
        "4": node("ReadTest_Dump", value=["3", 0]),
        "5": node("ReadTest_Dump", value=["2", 0]),
    }
    back = client.run(loaded)
    assert back.status == "success", back.error
    images = load_file(back.ui("4", "file"))["value"]
    samples = load_file(run.ui("7", "file"))["samples"]
    assert torch.equal(load_file(back.ui("5", "file"))["samples"], samples)
    assert images.shape == (
        8 * samples.shape[2] - 7,
        128,
        128,
        3,
    )  # not trimmed: a file carries no keys of ours
    assert 0 <= images.min() < images.max() <= 1


def test_inputs_stay_as_they_are(client):
    """Hashes of what goes into our nodes, before and after they have run."""
    prompt = quick()
    prompt["2"] = node("ReadTest_Image", width=150, height=100, channels=4, batch=2)
    prompt["3"] = node("ReadTest_Audio", kind="noise", seconds=2.0, rate=22050, channels=2, batch=1)
    prompt["7"] = node("READ_Decode", models=["1", 0], latent=["6", 0])
    prompt["8"] = node("READ_Check", images=["7", 0], audio=["4", 1], reference=["5", 1], window=3)
    watched = {
        "image": ["2", 0],
        "audio": ["3", 0],
        "latent": ["6", 0],
        "frames": ["7", 0],
        "heard": ["4", 1],
    }
    for name, source in watched.items():
        prompt[f"{name} before"] = node("ReadTest_Dump", value=source, name="before")
    first = client.run(prompt)
    assert first.status == "success", first.error
    for name, source in watched.items():
        prompt[f"{name} after"] = node("ReadTest_Dump", value=source, name="after", after=["8", 0])
    second = client.run(changed(prompt, duration=0.6))
    assert second.status == "success", second.error
    third = client.run(prompt)
    for name in ("image", "audio"):
        assert second.ui(f"{name} after", "digest") == first.ui(f"{name} before", "digest")
    for name in watched:
        assert third.ui(f"{name} after", "digest") == first.ui(f"{name} before", "digest")
