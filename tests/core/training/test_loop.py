"""The loop: a run that was stopped ends with the weights of one that was not, and nothing stays half done."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import Dataset

from read_core.media.files import disk_full
from read_core.training.config import ConfigError, LoopConfig
from read_core.training.health import TrainingError
from read_core.training.loop import Ema, _Share, learning_rate_factor, train
from read_core.training.pictures import save_rows

STEPS = 12


class Numbers(Dataset):
    """Sample i is a function of i; remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.asked.append(index)
        return {"x": torch.randn(6, generator=torch.Generator().manual_seed(index))}


class Regression:
    """A small stage whose loss also draws from its samples' noise and from the global one."""

    def __init__(self, seed: int = 0, dropout: float = 0.2) -> None:
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(dropout), nn.LayerNorm(8), nn.Linear(8, 6))
        self.dataset = Numbers()
        self.fails = False

    def prepare(self, device: torch.device) -> None:
        pass

    def loss(self, model, batch, noise):
        target = batch["x"].flip(1) + 0.1 * noise.normal(6)
        loss = (model(batch["x"]) - target).square().mean()
        return loss, {"double": 2 * loss.detach()}

    def sheet(self, model: nn.Module, path: Path) -> None:
        assert not model.training
        save_file(model.state_dict(), path)

    def export(self, model: nn.Module, folder: Path) -> dict[str, float]:
        save_file(model.state_dict(), folder / "weights.safetensors")
        if self.fails:
            raise RuntimeError("out of disk")
        return {"count": float(len(model.state_dict()))}


def loop_config(**changes) -> LoopConfig:
    values = {"steps": STEPS, "batch_size": 3, "learning_rate": 0.02, "warmup": 3, "ema": 0.9, "log_every": 1}
    return LoopConfig(**{**values, **changes})


def exported(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "export" / "weights.safetensors")


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def crash(monkeypatch):
    """Make the next renaming of a state fail, as a kill between writing and renaming would."""

    def arm() -> None:
        rename = Path.rename

        def fail(path: Path, target: Path) -> Path:
            if path.parent.name == "state":
                monkeypatch.setattr(Path, "rename", rename)
                raise KeyboardInterrupt
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", fail)

    return arm


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


def test_logs_and_sheets_come_when_they_should(tmp_path):
    train(Regression(), loop_config(log_every=4, sheet_every=6), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert all(row["double"] == pytest.approx(2 * row["loss"]) for row in rows)
    sheets = sorted((tmp_path / "sheets").iterdir())
    assert [int(sheet.stem) for sheet in sheets] == [6, 12]
    assert_equal(load_file(sheets[1]), exported(tmp_path))


class Drawing(Regression):
    def sheet(self, model: nn.Module, path: Path) -> None:
        weight = model.get_parameter("0.weight").detach()
        save_rows([[(weight[..., None] * 3 + 0.5).expand(-1, -1, 3)]], path)


def test_tensorboard_shows_the_log_and_the_sheets(tmp_path, crash):
    """Once each, though a kill makes some steps come again."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = loop_config(tensorboard=True, sheet_every=6)
    train(Drawing(), config, tmp_path, stop_after=4)
    crash()
    with pytest.raises(KeyboardInterrupt):
        train(Drawing(), config, tmp_path, stop_after=4)
    train(Drawing(), config, tmp_path)
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert events.Tags()["scalars"] == ["loss", "double", "norm"]
    for name in ("loss", "double", "norm"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in rows]
    assert [event.step for event in events.Images("sheet")] == [6, 12]
    for event in events.Images("sheet"):
        shown = Image.open(io.BytesIO(event.encoded_image_string)).convert("RGB")
        assert shown.tobytes() == Image.open(tmp_path / "sheets" / f"{event.step:07d}.png").tobytes()


def test_a_missing_tensorboard_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="package tensorboard"):
        train(Regression(), loop_config(tensorboard=True), tmp_path)


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


def test_figures_are_read_only_at_the_steps_that_are_logged(tmp_path):
    """Reading one waits for the device."""

    class Counting(Regression):
        read = 0

        def loss(self, model, batch, noise):
            loss, logged = super().loss(model, batch, noise)
            stage = self

            class Scalar(torch.Tensor):
                def item(self):
                    stage.read += 1
                    return super().item()

            return loss, {name: value.as_subclass(Scalar) for name, value in logged.items()}

    stage = Counting()
    train(stage, loop_config(log_every=4), tmp_path)
    assert stage.read == STEPS / 4


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_state(tmp_path, fault):
    """Also between two rows of the log, and where only the gradient is broken."""

    class Breaks(Regression):
        steps = 0

        def loss(self, model, batch, noise):
            loss, logged = super().loss(model, batch, noise)
            self.steps += 1
            if self.steps == 3:
                zero = loss - loss.detach()
                loss = loss * math.nan if fault == "loss" else loss + zero.sqrt()
            return loss, logged

    config = loop_config(log_every=4)
    train(Regression(), config, tmp_path / "whole")
    train(Regression(), config, tmp_path / "parts", stop_after=4)
    with pytest.raises(TrainingError, match=r"step 7: .*not finite.*step-00000004"):
        train(Breaks(), config, tmp_path / "parts")
    assert [path.name for path in (tmp_path / "parts" / "state").iterdir()] == ["step-00000004"]
    assert not (tmp_path / "parts" / "export").exists()
    assert [
        json.loads(row)["step"] for row in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()
    ] == [4]
    train(Regression(), config, tmp_path / "parts")
    assert_equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))


def test_a_run_without_a_state_says_so_when_it_is_not_finite(tmp_path):
    class Broken(Regression):
        def loss(self, model, batch, noise):
            loss, logged = super().loss(model, batch, noise)
            return loss * math.inf, logged

    with pytest.raises(TrainingError, match=r"step 1: .*no state"):
        train(Broken(), loop_config(), tmp_path)
    assert not (tmp_path / "state").exists()


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
    shares = [_Share(base, 3, range(5, 7), rank, 2) for rank in range(2)]
    for share in shares:
        for index in range(len(share)):
            share[index]
    assert [len(share) for share in shares] == [6, 6]
    assert base.asked == [30, 31, 32, 36, 37, 38, 33, 34, 35, 39, 40, 41]


def test_rows_that_come_again_after_a_kill_are_in_the_log_once(tmp_path, crash):
    train(Regression(), loop_config(), tmp_path, stop_after=4)
    crash()
    with pytest.raises(KeyboardInterrupt):
        train(Regression(), loop_config(), tmp_path, stop_after=4)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 9, "lo')  # a kill in the middle of a row
    train(Regression(), loop_config(), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
