"""LoRA through the host's patches."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from .conftest import transformer_shapes
from .host import run_in_host
from .prompts import quick

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def digest(client, prompt):
    run = client.run(prompt)
    assert run.status == "success", run.error
    return run.ui("7", "digest")


def latents(client, prompt):
    run = client.run(prompt)
    assert run.status == "success", run.error
    return load_file(run.ui("7", "file"))["samples"]


def refusal(client, folder, name, weights):
    """What Load READ Models says of a LoRA that it must not take."""
    save_file(weights, folder / name)
    run = client.run(quick(lora=name))
    assert run.status == "error"
    assert run.error["node_type"] == "READ_LoadModels"
    return run.error["exception_message"]


def test_strength_zero_is_the_base_and_one_is_not(client, lora):
    base = digest(client, quick(seed=61))
    assert digest(client, quick(seed=61, lora=lora, lora_strength=0.0)) == base
    assert digest(client, quick(seed=61, lora=lora, lora_strength=1.0)) != base
    # "steps" gives the same latents as "clips", but is not in the host's cache
    assert digest(client, quick(seed=61, order="steps")) == base


def test_base_and_loras_take_turns_with_one_set_of_weights(host, installation, lora):
    found = json.loads(run_in_host(installation, "loading.py", host.base / "models" / "loras"))["sharing"]
    assert len(found) > 6
    assert all(found.values()), found


def test_twice_the_strength_moves_the_latents_further(client, lora):
    base, once, twice = (
        latents(client, quick(seed=66, lora=lora, lora_strength=strength)) for strength in (0.0, 0.5, 1.0)
    )
    assert 0 < (once - base).std() < (twice - base).std()


def test_a_lora_counts_as_often_as_it_is_used_and_no_more(client, lora):
    """The patches survive being unloaded, and are not added twice."""
    prompt = quick(seed=62, lora=lora, lora_strength=0.7)
    first = digest(client, prompt)
    client.run(quick(seed=63, lora=lora, lora_strength=0.7))
    client.free(unload_models=True)
    client.run(quick(seed=64, lora=lora, lora_strength=0.7))
    assert digest(client, quick(seed=62, lora=lora, lora_strength=0.7, order="steps")) == first


def test_kohya_s_names_mean_the_same_weights(host, client, lora):
    stored = load_file(host.base / "models" / "loras" / lora)
    renamed = {}
    for key, value in stored.items():
        layer, kind = key.removeprefix("transformer.").rsplit(".lora_", 1)
        new = {"A.weight": "lora_down.weight", "B.weight": "lora_up.weight"}[kind]
        renamed[f"lora_unet_{layer.replace('.', '_')}.{new}"] = value
    save_file(renamed, host.base / "models" / "loras" / "kohya.safetensors")
    ours = digest(client, quick(seed=65, lora=lora))
    assert digest(client, quick(seed=65, lora="kohya.safetensors")) == ours


def random_lora(shapes):
    """Halves for weights of these shapes."""
    weights = {}
    for name, (rows, columns) in shapes.items():
        weights[f"{name}.lora_A.weight"] = torch.randn(4, columns)
        weights[f"{name}.lora_B.weight"] = torch.randn(rows, 4)
    return weights


def test_a_lora_for_another_model_is_refused(host, client):
    message = refusal(
        client,
        host.base / "models" / "loras",
        "foreign.safetensors",
        {"unet.down.0.lora_A.weight": torch.zeros(4, 8)},
    )
    assert "foreign.safetensors holds no LoRA for this transformer" in message


def test_a_lora_for_a_wider_model_is_refused(host, client):
    """LTX-Video 2B has the same names, but 2048 channels: the host would only leave each layer out."""
    layers = [f"transformer.transformer_blocks.{block}.attn1.to_q" for block in range(28)]
    weights = random_lora(dict.fromkeys(layers, (2048, 2048)))
    message = refusal(client, host.base / "models" / "loras", "wider.safetensors", weights)
    assert message.startswith("lora: ")
    assert "wider.safetensors does not fit this transformer" in message
    assert "transformer_blocks.0.attn1.to_q.weight is (2048, 2048), not (256, 256)" in message
    assert "Use a LoRA made for this checkpoint" in message


def test_a_lora_of_which_one_layer_does_not_fit_is_refused(host, client):
    shapes = transformer_shapes()
    names = ("transformer_blocks.0.attn1.to_q", "transformer_blocks.0.attn1.to_v")
    weights = random_lora({f"transformer.{name}": shapes[f"{name}.weight"] for name in names})
    weights[f"transformer.{names[1]}.lora_A.weight"] = torch.zeros(5, 256)  # another rank than the other half
    message = refusal(client, host.base / "models" / "loras", "uneven.safetensors", weights)
    assert f"{names[1]}.weight is no LoRA, not (256, 256)" in message
    assert names[0] not in message


def test_the_node_says_how_much_of_a_lora_is_used(host, client, lora):
    stored = load_file(host.base / "models" / "loras" / lora)
    layers = {key.rsplit(".lora_", 1)[0] for key in stored}
    unknown = {"transformer.transformer_blocks.99.attn1.to_q.lora_A.weight": torch.zeros(4, 256)}
    save_file(stored | unknown, host.base / "models" / "loras" / "more.safetensors")
    run = client.run(quick(seed=67, lora="more.safetensors"))
    assert run.status == "success", run.error
    expected = f"LoRA: {len(layers)} of its {len(layers) + 1} layers used."
    assert any(expected in text for text in run.texts), run.texts
