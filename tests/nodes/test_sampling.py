"""ANS Sampler and Temporal VAE Decode through the API."""

import pytest
import torch
from safetensors.torch import load_file

from .prompts import node, own_defaults, own_scales, quick, quick_file

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
        run = client.run(quick(order=order, steps=2, duration=1.0, dtype="float32"))
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
        "read_latents": samples.shape[2],
    }


def test_every_guidance_samples_differently(client):
    other = {"joint": "split", "split": "joint"}[own_defaults()["guidance"]["kind"]]
    kinds = [
        {"guidance": "none"},
        {"guidance": "checkpoint default"},
        {"guidance": "split", "guidance.alpha": -2.0, "guidance.beta": 3.0},
        {"guidance": "joint", "guidance.alpha": 1.5},
        {"guidance": f"{other} (checkpoint's)"},
    ]
    found = []
    for kind in kinds:
        prompt = quick()
        prompt["6"]["inputs"] |= kind
        found.append(digest(client, prompt))
    assert len(set(found)) == len(kinds)


def test_a_kind_with_the_checkpoint_s_scales_is_that_kind_with_them(client):
    for kind in ("split", "joint"):
        scales = own_scales(kind)
        told, given = quick(), quick()
        told["6"]["inputs"] |= {"guidance": f"{kind} (checkpoint's)"}
        given["6"]["inputs"] |= {"guidance": kind} | {f"guidance.{name}": v for name, v in scales.items()}
        assert digest(client, told) == digest(client, given)


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
    assert any("All frames are kept" in text for text in back.texts)
    assert 0 <= images.min() < images.max() <= 1


def test_inputs_stay_as_they_are(client):
    """What goes into our nodes is written before the node gets it, and again after all have run.

    Picture and sound exceed their ranges, so that even what is clamped in place would show.
    """
    prompt = {
        "portrait": node("ReadTest_Image", width=150, height=100, channels=4, batch=2, brightness=1.5),
        "recording": node(
            "ReadTest_Audio", kind="noise", seconds=2.0, rate=22050, channels=2, batch=1, level=1.0
        ),
        **quick(start=0.0, duration=1.0, normalize_loudness=True, audio_scale=2.0, silence_gate=-30.0),
        "8": node("READ_Decode", models=["1", 0], latent=["latent", 0]),
        "9": node("READ_Check", images=["frames", 0], audio=["heard", 0], reference=["seen", 0], window=3),
        "10": quick_file()["4"],
    }
    del prompt["2"], prompt["3"]
    sources = {
        "image": ["portrait", 0],
        "audio": ["recording", 0],
        "speech": ["4", 0],
        "heard": ["4", 1],
        "reference": ["5", 0],
        "seen": ["5", 1],
        "latent": ["6", 0],
        "frames": ["8", 0],
    }
    prompt |= {name: node("ReadTest_Through", value=source) for name, source in sources.items()}
    for number, inputs in {
        "4": ["audio"],
        "5": ["image"],
        "6": ["speech", "reference"],
        "10": ["image", "audio"],
    }.items():
        prompt[number]["inputs"] |= {name: [name, 0] for name in inputs}
    del prompt["7"]
    prompt["done"] = node("ReadTest_Through", value=["9", 1], after=["10", 0])
    for name in sources:
        prompt[f"{name} after"] = node("ReadTest_Dump", value=[name, 0], name="after", after=["done", 0])
    run = client.run(prompt)
    assert run.status == "success", run.error
    limits = {"image": 1, "audio": 1}
    for name in sources:
        before = run.ui(name, "digest"), run.ui(name, "plain")
        assert (run.ui(f"{name} after", "digest"), run.ui(f"{name} after", "plain")) == before, name
        if name in limits:
            assert max(value.max() for value in load_file(run.ui(name, "file")).values()) > limits[name]
