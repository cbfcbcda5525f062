"""LoRA of a finished A2V-DiT: what is trained, what stays, and what is exported."""

from __future__ import annotations

import sys

import pytest
import torch
from safetensors.torch import load_file

from read_core.training.config import ConfigError
from read_core.training.loop import train
from read_core.training.noise import SampleNoise
from read_core.training.stages.a2v import A2VConfig, A2VStage
from read_core.training.stages.lora import Lora
from read_core.transformer import A2VTransformer3DModel

RANK, ALPHA = 2, 6.0
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def config(clips_folder, tiny_checkpoint, tmp_path) -> A2VConfig:
    parts = {name: tiny_checkpoint / name for name in ("vae", "whisper", "speech_ae")}
    places = {"output": tmp_path / "out", "clips": clips_folder, "latents": tmp_path / "latents"}
    loop = {"steps": 3, "batch_size": 2, "learning_rate": 0.01, "ema": 0, "warmup": 0}
    lora = {"initial": tiny_checkpoint / "transformer", "lora": {"rank": RANK, "alpha": ALPHA}}
    values = {"stage": "a2v", **parts, **places, **lora, "windows": (4,), "loop": loop}
    return A2VConfig.model_validate(values)


def test_the_export_is_the_base_plus_b_a(config, tiny_checkpoint):
    stage = A2VStage(config)
    train(stage, config.loop, config.output)
    base = load_file(tiny_checkpoint / "transformer" / WEIGHTS)
    made = load_file(config.output / "export" / WEIGHTS)
    trained = stage.transformer.state_dict()
    assert made.keys() == base.keys()
    adapted = set()
    for name, value in base.items():
        layer = name.removesuffix(".weight")
        if f"{layer}.lora_A.default.weight" in trained:
            a, b = (trained[f"{layer}.lora_{matrix}.default.weight"] for matrix in "AB")
            assert a.shape[0] == b.shape[1] == RANK
            torch.testing.assert_close(made[name], value + ALPHA / RANK * b @ a, rtol=1e-5, atol=1e-6)
            assert torch.equal(trained[f"{layer}.base_layer.weight"], value)
            adapted.add(layer.split(".", 2)[2])
        elif "audio_attn" not in name:
            assert torch.equal(made[name], value), name
        assert torch.equal(made[name], value) == ("audio_attn" not in name and layer not in _adapted(trained))
    attentions = {f"attn{i}.to_{kind}" for i in (1, 2) for kind in ("q", "k", "v", "out.0")}
    assert adapted == attentions | {"ff.net.0.proj", "ff.net.2"}
    sample = {name: value[None] for name, value in stage.held_out[0].items()}
    loss, _ = stage.loss(stage.model, sample, SampleNoise(0, [0]))
    stage.model.transformer = A2VTransformer3DModel.from_pretrained(config.output / "export")
    torch.testing.assert_close(stage.loss(stage.model, sample, SampleNoise(0, [0]))[0], loss)


def _adapted(trained: dict[str, torch.Tensor]) -> set[str]:
    return {name.partition(".lora_A")[0] for name in trained if ".lora_A" in name}


def test_it_starts_as_the_base_and_goes_on_after_a_stop(config, tmp_path):
    plain = A2VStage(config.model_copy(update={"lora": None}))
    stage = A2VStage(config)
    sample = {name: value[None] for name, value in stage.held_out[0].items()}
    losses = [made.loss(made.model, sample, SampleNoise(0, [0]))[0] for made in (plain, stage)]
    torch.testing.assert_close(*losses)
    train(stage, config.loop, tmp_path / "whole")
    train(A2VStage(config), config.loop, tmp_path / "parts", stop_after=2)
    train(A2VStage(config), config.loop, tmp_path / "parts")
    made = [load_file(tmp_path / name / "export" / WEIGHTS) for name in ("whole", "parts")]
    assert all(torch.equal(made[1][name], value) for name, value in made[0].items())


def test_it_needs_something_to_adapt_and_peft(config, monkeypatch):
    values = config.model_dump() | {"initial": None}
    with pytest.raises(ValueError, match="expected its folder as initial"):
        A2VConfig.model_validate(values)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match="package peft"):
        A2VStage(config.model_copy(update={"lora": Lora()}))
