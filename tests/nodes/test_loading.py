"""Load READ Models: types, other parts in place of its own, and what it leaves behind in the host."""

import json
import re
from functools import reduce

import pytest
import torch
from safetensors.torch import load_file, save_file

from .conftest import BUNDLED
from .host import run_in_host
from .prompts import node, quick

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


@pytest.fixture(scope="module")
def found(host, installation, lora):
    """What in_host/loading.py found."""
    return json.loads(run_in_host(installation, "loading.py", host.base / "models" / "loras"))


@pytest.fixture
def part(host):
    """Writes a file that may replace a part, under models/<folder>; takes it away afterwards."""
    made = []

    def write(folder, name, tensors):
        target = host.base / "models" / folder / name
        target.parent.mkdir(exist_ok=True)
        made.append(target)
        if isinstance(tensors, bytes):
            target.write_bytes(tensors)
        else:
            save_file(tensors, target)
        return name

    yield write
    for file in made:
        file.unlink()


def test_a_missing_package_is_named_with_what_to_do(installation):
    said = run_in_host(installation, "missing_package.py")
    assert "the package diffusers is not installed" in said
    assert "pip install -r" in said
    assert "requirements.txt" in said


def weights(folder):
    found: dict[str, torch.Tensor] = {}
    for file in sorted((BUNDLED / folder).glob("*.safetensors")):
        found |= load_file(file)
    return found


def latents(client, **inputs):
    """The latents of a short prompt."""
    run = client.run(quick(**inputs))
    assert run.status == "success", run.error
    return load_file(run.ui("7", "file"))["samples"]


def told(client, widget, **inputs):
    """The message of a prompt that Load READ Models must refuse because of this widget."""
    run = client.run(quick(**inputs))
    assert run.status == "error"
    assert run.error["node_type"] == "READ_LoadModels"
    message = run.error["exception_message"].strip()
    assert message.startswith(f"{widget}: "), message
    return message


# Types and attention


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same(client, dtype):
    exact = latents(client, seed=71, dtype="float32")
    half = latents(client, seed=71, dtype=dtype)
    assert not torch.equal(half, exact)
    assert (half - exact).std() < 0.1 * exact.std()


def test_attention_stays_with_the_models_that_it_was_chosen_for(found):
    assert found["attention"] == {
        "process unchanged": True,
        "other choice unchanged": "_native_math",
        "native": ["native"],
        "native again": ["native"],
        "auto": ["None"],
    }


def test_the_host_sees_that_an_output_holds_models(found):
    assert found["recognized"]


def test_nothing_is_held_when_the_host_has_let_go(found):
    assert found["freed"] == {"held by its LoRA": True, "gone": True, "kept": 0}


# Checkpoint folders


def test_what_cannot_be_read_is_left_out(host, client):
    """A link whose target has a name that is too long raises an error for whoever looks at it."""
    link = host.base / "models" / "read" / "lost+found"
    link.symlink_to("x" * 300)
    try:
        inputs = client.get("/object_info/READ_LoadModels")["READ_LoadModels"]["input"]["required"]
        assert "read-tiny" in inputs["checkpoint"][1]["options"]
        assert "lost+found" not in inputs["checkpoint"][1]["options"]
        assert client.run(quick(seed=72)).status == "success"
    finally:
        link.unlink()


# The transformer


def test_a_transformer_in_float8(client, part):
    """Every matrix in float8 with a scale: close to the checkpoint's own, but not the same."""
    state = weights("transformer")
    for name in [name for name, value in state.items() if name.endswith(".weight") and value.ndim == 2]:
        value = state[name].float()
        scale = value.abs().max() / 448
        state[name] = (value / scale).to(torch.float8_e4m3fn)
        state[name.replace(".weight", ".scale_weight")] = scale
    file = part("diffusion_models", "fp8.safetensors", state)
    own = latents(client, seed=73, dtype="float32")
    replaced = latents(client, seed=73, dtype="float32", transformer=file)
    assert not torch.equal(replaced, own)
    assert (replaced - own).std() < 0.2 * own.std()


def test_a_transformer_under_the_original_names(client, part):
    """The same weights as LTX-Video's tools store them, without an audio branch."""
    renames = {
        "proj_in.": "patchify_proj.",
        "time_embed.": "adaln_single.",
        "norm_q.": "q_norm.",
        "norm_k.": "k_norm.",
    }
    state = {}
    for name, value in weights("transformer").items():
        if ".audio_attn." not in name and not name.startswith("null_"):
            original = reduce(lambda key, pair: key.replace(*pair), renames.items(), name)
            state[f"model.diffusion_model.{original}"] = value
    file = part("diffusion_models", "original.safetensors", state)
    assert torch.equal(latents(client, seed=74, transformer=file), latents(client, seed=74))


def test_transformers_that_do_not_fit(client, part):
    state = weights("transformer")
    name = "transformer_blocks.0.attn1.to_q.weight"
    state[name] = torch.zeros(8, 8)
    wider = part("diffusion_models", "wider.safetensors", state)
    message = told(client, "transformer", transformer=wider)
    assert "wider.safetensors does not fit this checkpoint's transformer" in message
    assert f"{name} has shape (8, 8)" in message
    assert "Use a file of the same architecture" in message
    torn = part("diffusion_models", "torn.safetensors", b"nothing")
    assert "torn.safetensors is truncated, damaged or not a safetensors file" in told(
        client, "transformer", transformer=torn
    )


# The VAE


def test_a_vae_file_of_the_checkpoint_s_own_kind(client, part):
    """The checkpoint's VAE with its statistics doubled decodes to something else."""

    def frames(**inputs):
        prompt = quick(seed=75, **inputs)
        prompt["8"] = node("READ_Decode", models=["1", 0], latent=["6", 0])
        prompt["9"] = node("ReadTest_Dump", value=["8", 0], name="frames")
        run = client.run(prompt)
        assert run.status == "success", run.error
        return load_file(run.ui("9", "file"))["value"]

    state = weights("vae")
    own = frames()
    assert torch.equal(frames(vae=part("vae", "same.safetensors", state)), own)
    state["latents_std"] = 2 * state["latents_std"]
    assert (frames(vae=part("vae", "louder.safetensors", state)) - own).abs().max() > 0.05


def test_vaes_that_do_not_fit(client, part):
    foreign = part("vae", "foreign.safetensors", {"decoder.conv_in.weight": torch.zeros(2, 2)})
    message = told(client, "vae", vae=foreign)
    assert re.search(r"foreign\.safetensors is no (LTX-Video )?autoencoder that fits", message)
    assert "tensors differ from the checkpoint's own VAE" in message
    assert re.search("Use (an unmodified file|the checkpoint's own VAE)$", message)
    torn = part("vae", "torn.safetensors", b"nothing")
    assert "torn.safetensors is truncated, damaged or not a safetensors file" in told(client, "vae", vae=torn)


# LoRA files; what they do is in test_lora.py


def test_lora_files_that_are_damaged(host, client, part, lora):
    whole = (host.base / "models" / "loras" / lora).read_bytes()
    torn = part("loras", "torn.safetensors", whole[:-100])
    assert "torn.safetensors is truncated, damaged" in told(client, "lora", lora=torn)
    halved = {"transformer.proj_in.lora_B.weight": torch.zeros(4, 4)}
    message = told(client, "lora", lora=part("loras", "halved.safetensors", halved))
    assert "halved.safetensors is damaged: 'transformer.proj_in.lora_A.weight' is missing" in message


def test_a_pickle_in_place_of_a_file_is_not_opened(host, client, part):
    class Bomb:
        def __reduce__(self):
            return (open, (str(host.base / "exploded"), "w"))

    source = host.base / "bomb.pt"
    torch.save(Bomb(), source)
    for widget, folder in (("vae", "vae"), ("transformer", "diffusion_models"), ("lora", "loras")):
        file = part(folder, "bomb.pt", source.read_bytes())
        assert "bomb.pt is truncated, damaged or not a safetensors file" in told(
            client, widget, **{widget: file}
        )
    assert not (host.base / "exploded").exists()
