"""The loop: a run that was stopped ends with the weights of one that was not, and nothing stays half done."""

from __future__ import annotations

import json
import math
import sys

import pytest
import torch
from torch import nn

from read_core.media.files import disk_full
from read_core.training.config import ConfigError
from read_core.training.loop import Ema, _Shard, learning_rate_factor, train

from .regression import STEPS, Numbers, Regression, assert_equal, exported, loop_config


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_fused", "muon"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resuming_gives_the_same_bits(tmp_path, optimizer, ema):
    config = loop_config(optimizer=optimizer, ema=ema)
    figures = train(Regression(), config, tmp_path / "whole")
    assert train(Regression(), config, tmp_path / "parts", stop_after=5) == {}
    assert not (tmp_path / "parts" / "export").exists()
    assert train(Regression(seed=1), config, tmp_path / "parts", stop_after=1) == {}
    assert train(Regression(seed=2), config, tmp_path / "parts") == figures
    assert_equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))


def test_moments_of_8_bits_resume_with_the_same_bits(tmp_path, uncompiled_torchao):
    class Wide(Regression):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(nn.Linear(6, 1024), nn.Linear(1024, 6))

    config = loop_config(optimizer="adamw_8bit")
    train(Wide(), config, tmp_path / "whole")
    train(Wide(), config, tmp_path / "parts", stop_after=5)
    state = torch.load(tmp_path / "parts" / "state" / "step-00000005" / "optimizer.bin", weights_only=True)
    assert state["state"][0]["exp_avg"].codes.dtype == torch.uint8
    train(Wide(), config, tmp_path / "parts")
    assert_equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as only Unix can")
def test_a_full_disk_leaves_the_last_state(tmp_path):
    """What torch and safetensors raise is recognized, and the next run goes on."""
    import resource

    config = loop_config()
    train(Regression(), config, tmp_path / "parts", stop_after=5)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(Exception) as caught:  # noqa: PT011 -- of whatever type
            train(Regression(), config, tmp_path / "parts", stop_after=5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert disk_full(caught.value), repr(caught.value)
    train(Regression(), config, tmp_path / "parts")
    train(Regression(), config, tmp_path / "whole")
    assert_equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))


def test_the_average_and_the_raw_weights_differ(tmp_path):
    train(Regression(), loop_config(ema=0.0), tmp_path / "raw")
    train(Regression(), loop_config(ema=0.9), tmp_path / "average")
    raw, average = exported(tmp_path / "raw"), exported(tmp_path / "average")
    assert not torch.equal(raw["0.weight"], average["0.weight"])


def test_every_step_sees_the_samples_of_its_number(tmp_path):
    first, second = Regression(), Regression()
    train(first, loop_config(), tmp_path, stop_after=4)
    train(second, loop_config(), tmp_path)
    assert first.dataset.asked[: 4 * 3] == list(range(4 * 3))
    assert second.dataset.asked == list(range(4 * 3, STEPS * 3))


def test_a_finished_run_is_exported_again_without_a_step(tmp_path):
    train(Regression(), loop_config(), tmp_path)
    before = exported(tmp_path)
    again = Regression(seed=5)
    train(again, loop_config(), tmp_path)
    assert again.dataset.asked == []
    assert_equal(exported(tmp_path), before)


def test_a_kill_while_the_state_is_written_leaves_the_old_one(tmp_path, crash):
    train(Regression(), loop_config(), tmp_path / "whole")
    train(Regression(), loop_config(), tmp_path / "parts", stop_after=4)
    crash()
    with pytest.raises(KeyboardInterrupt):
        train(Regression(), loop_config(), tmp_path / "parts", stop_after=4)
    states = {path.name for path in (tmp_path / "parts" / "state").iterdir()}
    assert states == {"step-00000004", "step-00000008.tmp"}
    last = Regression(seed=3)
    train(last, loop_config(), tmp_path / "parts")
    assert last.dataset.asked[0] == 4 * 3
    assert_equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))
    assert [path.name for path in (tmp_path / "parts" / "state").iterdir()] == ["step-00000012"]


def test_the_export_appears_whole_or_not_at_all(tmp_path):
    stage = Regression()
    stage.fails = True
    with pytest.raises(RuntimeError, match="disk"):
        train(stage, loop_config(), tmp_path)
    assert not (tmp_path / "export").exists()
    assert not (tmp_path / "figures.json").exists()
    figures = train(Regression(seed=1), loop_config(), tmp_path)
    assert json.loads((tmp_path / "figures.json").read_text()) == figures
    before = exported(tmp_path)
    with pytest.raises(RuntimeError, match="disk"):
        train(stage, loop_config(), tmp_path)
    assert_equal(exported(tmp_path), before)


def test_sheets_do_not_change_the_training(tmp_path):
    train(Regression(), loop_config(), tmp_path / "without")
    train(Regression(), loop_config(sheet_every=2), tmp_path / "with")
    assert_equal(exported(tmp_path / "with"), exported(tmp_path / "without"))


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(tmp_path):
    config = loop_config(steps=100, warmup=10)
    factors = [learning_rate_factor(step, config) for step in range(101)]
    for step in (0, 3, 9, 10, 50, 99, 100):
        warm = (step + 1) / 10 if step < 10 else 1.0
        assert factors[step] == pytest.approx(warm * (1 + math.cos(math.pi * step / 100)) / 2)
    assert factors[100] == pytest.approx(0)
    assert factors[9:] == sorted(factors[9:], reverse=True)


def test_the_first_step_takes_the_warm_up_rate(tmp_path):
    """Adam's first step is the rate itself, wherever the gradient is not zero."""
    before = {name: value.clone() for name, value in Regression(dropout=0).model.state_dict().items()}
    train(Regression(dropout=0), loop_config(steps=1, warmup=4, ema=0), tmp_path)
    moved = (exported(tmp_path)["3.bias"] - before["3.bias"]).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 0.02 / 4), rtol=1e-3, atol=0)


def test_the_average_equals_a_plain_loop():
    model = nn.Linear(2, 1, bias=False)
    ema = Ema(model, 0.7)
    expected = model.weight.detach().tolist()[0]
    for step in range(30):
        with torch.no_grad():
            model.weight.copy_(torch.randn(1, 2, generator=torch.Generator().manual_seed(step)))
        ema.update(model, step)
        decay = min(0.7, (1 + step) / (10 + step))
        now = model.weight.detach().tolist()[0]
        expected = [decay * old + (1 - decay) * new for old, new in zip(expected, now, strict=True)]
    raw = model.weight.detach().clone()
    ema.swap(model)
    assert model.weight.detach().tolist()[0] == pytest.approx(expected, rel=1e-5)
    ema.swap(model)
    assert torch.equal(model.weight, raw)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_average_is_bit_for_bit_that_of_tensors_one_by_one(dtype):
    """As states of earlier versions were made, so that a training goes on from them unchanged."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 33), nn.LayerNorm(33), nn.Linear(33, 5)).to(dtype)
    model[1].bias.requires_grad_(False)
    ema = Ema(model, 0.998)
    expected = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    for step in range(20):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        ema.update(model, step)
        for name, parameter in model.named_parameters():
            if name in expected:
                expected[name].lerp_(parameter.detach(), 1 - min(0.998, (1 + step) / (10 + step)))
    assert_equal(ema.state_dict(), expected)
    assert "1.bias" not in expected


def test_the_state_of_another_kind_of_parallel_training_is_refused(tmp_path):
    train(Regression(), loop_config(), tmp_path, stop_after=4)
    (tmp_path / "state" / "step-00000004" / "shared").mkdir()
    with pytest.raises(ConfigError, match=r"is ddp, .*written with fsdp"):
        train(Regression(), loop_config(), tmp_path)


def test_one_process_has_nobody_to_share_with(tmp_path):
    with pytest.raises(ConfigError, match="several processes"):
        train(Regression(), loop_config(parallel="fsdp"), tmp_path)


def test_batches_that_accumulate_are_one_large_batch(tmp_path):
    class Exact(Regression):
        def __init__(self):
            super().__init__(dropout=0.0)
            self.model.double()

        def loss(self, model, batch, noise):
            return super().loss(model, {"x": batch["x"].double()}, noise)

    whole, parts = Exact(), Exact()
    train(whole, loop_config(batch_size=6), tmp_path / "whole")
    train(parts, loop_config(batch_size=2, accumulate=3), tmp_path / "parts", stop_after=5)
    train(parts, loop_config(batch_size=2, accumulate=3), tmp_path / "parts")
    assert parts.dataset.asked == whole.dataset.asked == list(range(STEPS * 6))
    for name, value in exported(tmp_path / "whole").items():
        torch.testing.assert_close(exported(tmp_path / "parts")[name], value, rtol=1e-10, atol=1e-10)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    for one, other in zip(*logs, strict=True):
        assert json.loads(one)["loss"] == pytest.approx(json.loads(other)["loss"], rel=1e-10)


def test_processes_share_whole_batches():
    base = Numbers()
    shards = [_Shard(base, 3, range(5, 7), rank, 2) for rank in range(2)]
    for shard in shards:
        for index in range(len(shard)):
            shard[index]
    assert [len(shard) for shard in shards] == [6, 6]
    assert base.asked == [30, 31, 32, 36, 37, 38, 33, 34, 35, 39, 40, 41]
