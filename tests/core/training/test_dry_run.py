"""The state that a dry run tells is the one that a training holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.profiler import ProfilerActivity, profile

from read_core.cli.main import main
from read_core.training.activations import kept_for_gradient
from read_core.training.config import LoopConfig
from read_core.training.dry_run import report, state_memory
from read_core.training.loop import Ema
from read_core.training.optim import make_optimizer
from read_core.training.plan import planned_batch, planned_model, random_inputs
from read_core.training.sharding import own
from read_core.training.stages.a2v import A2VConfig, A2VStage
from read_core.training.stages.lora import Lora
from read_core.transformer import TINY, A2VTransformer3DModel

CONFIGS = Path(__file__).parents[3] / "configs"


def measured(config: A2VConfig) -> int:
    """Bytes of memory that a forward of a real model still holds when it is done."""
    model = planned_model(config, "cpu")
    given = random_inputs(model, planned_batch(config))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        velocity = model(*given)
    held = sum(event.self_cpu_memory_usage for event in profiled.key_averages())
    return held - velocity.untyped_storage().nbytes()


@pytest.fixture
def config(clips_folder, tiny_checkpoint, tmp_path) -> A2VConfig:
    parts = {name: tiny_checkpoint / name for name in ("vae", "whisper", "speech_ae")}
    places = {"output": tmp_path / "out", "clips": clips_folder, "latents": tmp_path / "latents"}
    loop = {"steps": 1, "batch_size": 1, "learning_rate": 1e-3}
    values = {"stage": "a2v", **parts, **places, "model": dict(TINY), "windows": (4,), "loop": loop}
    return A2VConfig.model_validate(values)


def test_full_size_needs_44_9_gb(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("read_core.training.dry_run.free_memory", lambda _: 24e9)
    arguments = ["train", str(CONFIGS / "full" / "a2v.yaml"), "--dry-run", "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in told.splitlines() if line}
    assert rows["transformer"] == ["9.0", "9.0", "18.0", "9.0", "44.9"]
    assert rows["all"][-1] == "45.3"  # with the encoder of the SpeechAE
    assert rows["loop.ema:"] == ["0", "saves", "9.0", "GB"]
    assert (
        "loop.parallel: fsdp             saves 22.6 GB in each of 2 processes, 39.6 GB in each of 8" in told
    )
    assert rows["lora:"][1:4] == ["saves", "30.0", "GB;"]
    assert "1 window of 16 latents at 512 x 512, a prompt of 128 tokens" in told
    assert "not measured here" in told
    kept, saved = (float(re.findall(words, told)[0]) for words in (r"keeps (\S+) GB", r"saves (\S+) GB of"))
    assert 0.8 < saved / kept < 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_8bit", "muon"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_arithmetic_counts_what_a_step_leaves(config, optimizer, ema, request):
    if optimizer == "adamw_8bit":
        request.getfixturevalue("uncompiled_torchao")
    loop = LoopConfig(steps=1, batch_size=1, learning_rate=1e-3, optimizer=optimizer, ema=ema)
    wide = {**config.model, "attention_head_dim": 32}
    config = config.model_copy(update={"speech": "tuned", "model": wide})
    model = A2VStage(config).model
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    made = make_optimizer(model, loop)
    made.step()
    moments = [t for state in made.state.values() for t in state.values() if t.ndim]
    told = state_memory(planned_model(config), loop)
    assert told.weights == sum(t.nbytes for t in model.state_dict().values())
    assert told.gradients == sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    assert told.optimizer == sum(bytes_of(t) for t in moments)
    assert told.average == sum(t.nbytes for t in Ema(model, ema).shadow.values())


def rows_of(config, monkeypatch):
    """What the options of a report save, in bytes."""
    monkeypatch.setattr("read_core.training.dry_run._gb", str)
    monkeypatch.setattr("read_core.training.dry_run.free_memory", lambda _: 0)
    lines = [line for line in report(config) if " saves " in line]
    return {line[:32].strip(): [int(n) for n in re.findall(r"(\d+) GB", line)] for line in lines}


def test_what_lora_saves_is_what_a_training_without_it_holds_more(config, tmp_path, monkeypatch):
    A2VTransformer3DModel(**{**TINY, "attention_head_dim": 96}).save_pretrained(tmp_path / "initial")
    given = config.model_copy(update={"speech": "tuned", "model": {}, "initial": tmp_path / "initial"})
    adapted = {"lora": Lora(), "speech": "codes"}
    assert "lora: {}" not in rows_of(given.model_copy(update=adapted), monkeypatch)

    def held(changes) -> int:
        model = A2VStage(given.model_copy(update=changes)).model
        trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
        return sum(t.nbytes for t in model.state_dict().values()) + 4 * trained  # gradient, moments, average

    expected = held({}) - held(adapted)
    assert expected > 0
    assert rows_of(given, monkeypatch)["lora: {}"] == [expected]


def test_what_fsdp_saves_is_what_a_process_does_not_hold(config, monkeypatch):
    """Of two processes, of which there is one: the other one's messages are never waited for."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    model = planned_model(config, "cpu")
    whole = sum(p.nbytes for p in model.parameters())
    told = rows_of(config, monkeypatch)["loop.parallel: fsdp"][0]
    torch.distributed.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    try:
        fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
        parts = sum(own(p).nbytes for p in model.parameters())
    finally:
        torch.distributed.destroy_process_group()
    assert told == pytest.approx(5 * (whole - parts), rel=0.02)  # weight, gradient, moments, average


def bytes_of(tensor: torch.Tensor) -> int:
    """Also of torchao's tensors, which are made of several."""
    parts = [getattr(tensor, name) for name in getattr(tensor, "tensor_attrs", ())] or [tensor]
    return sum(part.nbytes for part in parts)


@pytest.mark.parametrize("speech", ["codes", "tuned", "scratch"])
def test_the_planned_model_is_the_stage_s(config, tiny_checkpoint, speech):
    """Also where the sizes are those of an earlier transformer."""
    given = config.model_copy(update={"speech": speech})
    expected = {n: (p.shape, p.requires_grad) for n, p in A2VStage(given).model.named_parameters()}
    going_on = given.model_copy(update={"initial": tiny_checkpoint / "transformer", "model": {}})
    for planned in (planned_model(given), planned_model(going_on)):
        assert {n: (p.shape, p.requires_grad) for n, p in planned.named_parameters()} == expected
        assert all(p.is_meta for p in planned.parameters())


def test_the_planned_model_has_the_lora(config, tiny_checkpoint):
    given = config.model_copy(update={"initial": tiny_checkpoint / "transformer", "lora": Lora(rank=2)})
    expected = {n: (p.shape, p.requires_grad) for n, p in A2VStage(given).model.named_parameters()}
    assert {n: (p.shape, p.requires_grad) for n, p in planned_model(given).named_parameters()} == expected


@pytest.mark.parametrize("speech", ["codes", "tuned"])
@pytest.mark.parametrize("windows", [1, 3])
def test_what_is_kept_for_the_gradient_is_what_a_forward_holds(config, speech, windows):
    """Without what the allocator of small tensors rounds."""
    loop = config.loop.model_copy(update={"batch_size": windows})
    model = {**config.model, "num_layers": 5, "attention_head_dim": 64}
    given = config.model_copy(update={"speech": speech, "loop": loop, "model": model, "windows": (9,)})
    inputs = sum(t.nbytes for t in random_inputs(planned_model(given), planned_batch(given))[:4])
    assert kept_for_gradient(given) == pytest.approx(measured(given), rel=0.02, abs=inputs)


def test_checkpointing_keeps_inputs_of_blocks_and_one_block(config):
    """What is computed again is all that a block keeps, as a model with one more block tells."""

    def kept(layers: int, again: bool) -> int:
        model = {**config.model, "num_layers": layers}
        return measured(config.model_copy(update={"model": model, "gradient_checkpointing": again}))

    told = kept_for_gradient(config.model_copy(update={"gradient_checkpointing": True}))
    assert told == pytest.approx(kept(2, True) + kept(3, False) - kept(2, False), rel=0.05)


def test_a_step_that_fits_is_timed(config):
    (config.latents / "train").mkdir(parents=True)
    save_file({"latents": torch.zeros(8, 6, 2, 2)}, config.latents / "train" / "0.safetensors")
    told = list(report(config))
    (line,) = [line for line in told if line.startswith("Time of a step: ")]
    assert float(line.split()[4]) > 0
    assert "64 x 64" in "".join(told)
    assert not config.output.exists()


def test_other_stages_are_refused(capsys):
    assert main(["train", str(CONFIGS / "smoke" / "speech_ae.yaml"), "--dry-run"]) == 2
    assert "for the stage a2v" in capsys.readouterr().err
