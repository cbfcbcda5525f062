"""A real kill, and two processes at once: each in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from read_core.corpus.video_file import find_clips
from read_core.training.data.latents import Encoders, encode_clips
from read_core.transformer import TINY

HERE = Path(__file__).parent
CONFIGS = HERE.parents[2] / "configs" / "smoke"
SECONDS = 600  # a deadlock shows as a timeout; a busy machine does not
SCRIPT = f"""
import os, signal, sys, time
from pathlib import Path

sys.path.insert(0, {str(HERE)!r})
from regression import Regression, loop_config
from read_core.training.loop import train

output, batch, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
optimizer = sys.argv[4] if len(sys.argv) > 4 else "adamw"


class Stage(Regression):
    steps = 0

    def loss(self, model, batch, generator):
        if self.steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps += 1
        loss = (model(batch["x"]) - batch["x"].flip(1)).square().mean()
        return loss, {{"double": 2 * loss.detach()}}


if os.environ.get("RANK", "0") != "0":
    time.monotonic = lambda: 0.0  # by this clock it is never time to save
train(Stage(dropout=0.0), loop_config(batch_size=batch, save_minutes=0.0, optimizer=optimizer), output)
"""
NEVER = "-1"
A2V = """
import json, sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from read_core.training.loop import train
from read_core.training.stages.a2v import A2VConfig, A2VStage


class Written(A2VStage):
    def sheet(self, model, path):
        save_file(self.transformer.state_dict(), path)

    def export(self, model, folder):
        self.transformer.save_pretrained(folder)
        return {}


class Exact(Written):
    def __init__(self, config):
        super().__init__(config)
        self.model.double()

    def prepare(self, device):
        self.prompt = self.prompt.double()

    def loss(self, model, batch, noise):
        exact = {name: v.double() if v.is_floating_point() else v for name, v in batch.items()}
        return super().loss(model, exact, noise)


config = A2VConfig.model_validate(json.loads(sys.argv[1]))
stage = Exact if config.loop.mixed_precision == "no" else Written
train(stage(config), config.loop, config.output, stop_after=int(sys.argv[2]))
"""


def python(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def two(*arguments: object) -> subprocess.CompletedProcess[str]:
    return python("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *arguments)


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(tmp_path, script):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert python(script, whole, 3, NEVER).returncode == 0
    killed = python(script, parts, 3, 7)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in (parts / "state").iterdir()] == ["step-00000007"]
    assert not (parts / "export").exists()
    done = python(script, parts, 3, 12 - 7)
    assert done.returncode == 0, done.stderr
    weights, expected = (load_file(folder / "export" / "weights.safetensors") for folder in (parts, whole))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_two_processes_train_as_one_with_twice_the_batch(tmp_path, script, optimizer):
    """Muon's processes share the work, too."""
    done = two(script, tmp_path / "two", 3, NEVER, optimizer)
    assert done.returncode == 0, done.stderr
    assert python(script, tmp_path / "one", 6, NEVER, optimizer).returncode == 0
    weights, expected = (load_file(tmp_path / n / "export" / "weights.safetensors") for n in ("two", "one"))
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-5)
    assert [path.name for path in (tmp_path / "two" / "state").iterdir()] == ["step-00000012"]


Trained = tuple[dict[str, torch.Tensor], dict[str, list[float]]]


@pytest.fixture(scope="module")
def train_a2v(clips_folder, tiny_checkpoint, tmp_path_factory):
    """A function that trains a tiny A2V-DiT: its weights, and its losses and norms by step.

    In float64, except with a ``mixed_precision``.
    """
    folder = tmp_path_factory.mktemp("a2v")
    (folder / "a2v.py").write_text(A2V)
    parts = {name: str(tiny_checkpoint / name) for name in ("vae", "whisper", "speech_ae")}
    latents = {"clips": str(clips_folder), "latents": str(folder / "latents")}
    values = {"stage": "a2v", **parts, **latents, "model": dict(TINY), "windows": (3, 4), "speech": "tuned"}

    def trained(start, output: Path, batch: int, stop_after: int = 6, **loop) -> Trained:
        rates = dict[str, Any](steps=6, learning_rate=1e-3, warmup=2, log_every=1, sheet_every=6)
        rates.update(loop, batch_size=batch)
        given = {**values, "output": str(output), "loop": rates}
        done = start(folder / "a2v.py", json.dumps(given), stop_after)
        assert done.returncode == 0, done.stderr
        if stop_after < 6:
            return {}, {}
        rows = [json.loads(row) for row in (output / "log.jsonl").read_text().splitlines()]
        weights = load_file(output / "export" / "diffusion_pytorch_model.safetensors")
        return weights, {key: [row[key] for row in rows] for key in ("loss", "norm")}

    return trained


@pytest.fixture(scope="module")
def one_of_eight(train_a2v, tmp_path_factory) -> Trained:
    """What one process with eight samples in a batch makes."""
    weights, rows = train_a2v(python, tmp_path_factory.mktemp("one") / "out", 8)
    assert weights["proj_in.weight"].dtype == torch.float64
    return weights, rows


def assert_same(found: Trained, expected: Trained) -> None:
    """In float64 only the order of sums differs."""
    for key, value in expected[0].items():
        torch.testing.assert_close(found[0][key], value, rtol=1e-10, atol=1e-10)
    for key, logged in found[1].items():
        assert logged == pytest.approx(expected[1][key], rel=1e-10), key


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "accumulate"), [(4, 1), (2, 2)])
def test_two_processes_of_four_train_a2v_as_one_of_eight(
    train_a2v, one_of_eight, tmp_path, batch, accumulate
):
    assert_same(train_a2v(two, tmp_path / "two", batch, accumulate=accumulate), one_of_eight)


@pytest.mark.slow
def test_two_processes_that_share_the_weights_train_as_one(train_a2v, one_of_eight, tmp_path):
    """Their average, norm, sheet and export too; and a run that was stopped goes on with the same bits."""
    found = train_a2v(two, tmp_path / "whole", 2, accumulate=2, parallel="fsdp")
    assert_same(found, one_of_eight)
    drawn = load_file(tmp_path / "whole" / "sheets" / "0000006.png")
    assert all(torch.equal(drawn[name], value) for name, value in found[0].items())
    train_a2v(two, tmp_path / "parts", 2, stop_after=4, accumulate=2, parallel="fsdp")
    parts = train_a2v(two, tmp_path / "parts", 2, accumulate=2, parallel="fsdp")
    assert parts[1] == found[1]
    assert all(torch.equal(parts[0][name], value) for name, value in found[0].items())


@pytest.mark.slow
def test_two_processes_share_float32_weights_and_compute_in_bf16(train_a2v, one_of_eight, tmp_path):
    """As configs/full trains: losses near those of float64, from weights that keep float32's digits."""
    loop = {"mixed_precision": "bf16", "optimizer": "adamw_fused"}
    weights, rows = train_a2v(two, tmp_path, 2, accumulate=2, parallel="fsdp", **loop)
    exact = one_of_eight[1]
    for key in ("loss", "norm"):
        assert rows[key] == pytest.approx(exact[key], rel=3e-2), key
        assert rows[key] != pytest.approx(exact[key], rel=1e-6), key
    assert rows["loss"][-1] < rows["loss"][0]
    value = weights["proj_in.weight"]
    assert value.dtype == torch.float32
    assert not torch.equal(value, value.bfloat16().float())


def settings(**values: object) -> list[str]:
    return [f"--set={key.replace('__', '.')}={value}" for key, value in values.items()]


@pytest.mark.slow
def test_two_processes_make_one_linear_start(clips_folder, tmp_path):
    few = settings(clips=clips_folder, output=tmp_path, start_clips=4, held_out=1, loop__steps=2)
    done = two("-m", "read_core.cli", "train", CONFIGS / "vae.yaml", *few, *settings(loop__sheet_every=1))
    assert done.returncode == 0, done.stderr
    assert "psnr_mouth" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} >= {"start", "export", "figures.json"}
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.slow
def test_two_processes_share_the_encoding(clips_folder, tiny_checkpoint, tmp_path):
    parts = {name: tiny_checkpoint / name for name in ("vae", "whisper", "speech_ae")}
    few = settings(clips=clips_folder, output=tmp_path / "a2v", windows=[4], model=dict(TINY))
    shared = tmp_path / "shared"
    short = settings(loop__steps=1, loop__sheet_every=0, latents=shared, **parts)
    done = two("-m", "read_core.cli", "train", CONFIGS / "a2v.yaml", *few, *short)
    assert done.returncode == 0, done.stderr
    alone = tmp_path / "alone"
    for split in ("train", "validation"):
        files = find_clips(clips_folder, split)
        for path in encode_clips(files, alone, Encoders(**parts), torch.device("cpu")):
            made, expected = load_file(shared / path.relative_to(alone)), load_file(path)
            assert all(torch.equal(made[name], expected[name]) for name in expected)


@pytest.mark.slow
@pytest.mark.parametrize("rollout", [0, 2])
def test_two_processes_distill_as_one_with_twice_the_batch(clips_folder, tiny_checkpoint, tmp_path, rollout):
    parts = {name: tiny_checkpoint / name for name in ("vae", "whisper", "speech_ae", "transformer")}
    few = settings(clips=clips_folder, latents=tmp_path / "latents", windows=[3], rollout=rollout, **parts)
    few += settings(loop__steps=3, loop__log_every=1, loop__sheet_every=3, loop__warmup=1)
    command = ("-m", "read_core.cli", "train", CONFIGS / "distill.yaml", *few)
    found = []
    for start, name, batch in ((python, "one", 4), (two, "two", 2)):
        done = start(*command, *settings(output=tmp_path / name, loop__batch_size=batch))
        assert done.returncode == 0, done.stderr
        rows = [json.loads(row) for row in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        found.append({key: [row[key] for row in rows] for key in ("loss", "norm")})
        assert (tmp_path / name / "sheets" / "0000003.png").stat().st_size > 0
    one, two_of_them = found
    for key, logged in one.items():
        assert two_of_them[key] == pytest.approx(logged, rel=1e-3), key
