"""LoRA through the host's patches."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from .prompts import quick

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def digest(client, prompt):
    run = client.run(prompt)
    assert run.status == "success", run.error
    return run.ui("7", "digest")


def test_strength_zero_is_the_base_and_one_is_not(client, lora):
    base = digest(client, quick(seed=61))
    assert digest(client, quick(seed=61, lora=lora, lora_strength=0.0)) == base
    assert digest(client, quick(seed=61, lora=lora, lora_strength=1.0)) != base
    # "steps" gives the same latents as "clips", but is not in the host's cache
    assert digest(client, quick(seed=61, order="steps")) == base


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


def test_a_lora_for_another_model_is_refused(host, client):
    folder = host.base / "models" / "loras"
    save_file({"unet.down.0.lora_A.weight": torch.zeros(4, 8)}, folder / "foreign.safetensors")
    run = client.run(quick(lora="foreign.safetensors"))
    assert run.status == "error"
    assert run.error["node_type"] == "READ_LoadModels"
    assert "foreign.safetensors holds no LoRA for this transformer" in run.error["exception_message"]
