"""``read-core bench``: FLOPs against torch's counter, the alternative, the variants, the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from read_core.ans import DistilledCFG, NoCFG, SplitCFG, reverse, timesteps
from read_core.bench.clock import matmul_ceiling, seconds_of
from read_core.bench.flops import decoder_flops, evaluation_flops, plain_flops
from read_core.bench.limit import limit_memory, memory_share
from read_core.bench.material import make_material, random_pipeline
from read_core.bench.measure import Speed, measure, measure_stages, to_host
from read_core.bench.plain import plain_clip, plain_model, plain_noise, plain_video
from read_core.bench.variants import Variant, chosen_variants, prepared, variants_of
from read_core.bundled import BUNDLED
from read_core.cli.main import main
from read_core.errors import InputError, ignore
from read_core.records import SamplingSettings
from read_core.usage import peak_host_memory
from read_core.video.configs import TINY
from read_core.weights.ltx_vae import HALOS, RELEASES

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def material():
    pipe = random_pipeline("tiny", CPU, torch.float32)
    return make_material(pipe, 2, (64, 96), window=4)


@pytest.fixture
def settings(material):
    return SamplingSettings(steps=2, window=4).resolved(material.pipe.defaults)


def test_chunks_are_decoded_with_the_halo_of_the_vae(monkeypatch):
    release = "LTX-Video 0.9.5 to 0.9.8"
    layers = {"decoder_layers_per_block": RELEASES[release]["decoder_layers_per_block"]}
    monkeypatch.setattr("read_core.bench.material.TINY_VAE", {**TINY, **layers})
    assert random_pipeline("tiny", CPU, torch.float32).defaults.decode.halo == HALOS[release]


@pytest.mark.parametrize("branches", [1, 3])
@torch.no_grad()
def test_flops_of_an_evaluation_are_those_that_torch_counts(material, branches):
    model, tokens = material.pipe.transformer, 5
    latents = torch.randn(branches, 8, 4, 2, 3)
    speech = model.project_speech(torch.randn(1, 3, 3, 10))
    text = model.project_text(torch.randn(1, tokens, 12))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(latents, torch.rand(branches, 4), speech, text)
    assert branches * evaluation_flops(model, 4, 6, tokens) == counter.get_total_flops()


def test_a_full_size_clip_costs_what_the_arithmetic_of_its_layers_says():
    with torch.device("meta"):
        from read_core.transformer import A2VTransformer3DModel

        model = A2VTransformer3DModel()
    per_layer = 4096 * 2048 * (16 * 2048 + 2 * (4096 + 128 + 32))  # products
    assert evaluation_flops(model, 16, 256, 128) == pytest.approx(2 * 28 * per_layer, rel=0.002)


def test_flops_of_the_decoder_grow_with_the_picture(material):
    small, large = (decoder_flops(material.pipe.vae, torch.randn(1, 8, 3, 2, w)) for w in (2, 4))
    assert large == pytest.approx(2 * small, rel=0.01)


def test_the_alternative_keeps_the_portrait_and_takes_our_weights(material, settings):
    pipe = material.pipe
    z_r = material.reference().latent
    other = plain_model(pipe.transformer)
    assert torch.equal(other.proj_in.weight, pipe.transformer.proj_in.weight)
    latents = plain_clip(other, pipe, z_r, settings)
    assert latents.shape == (1, 8, 4, 2, 3)
    assert torch.equal(latents[:, :, :1], z_r)
    assert not torch.equal(plain_clip(other, pipe, z_r, settings, per_token=False)[:, :, :1], z_r)


@torch.no_grad()
def test_the_flops_of_the_alternative_are_those_that_torch_counts(material, settings):
    pipe, z_r = material.pipe, material.reference().latent
    other = plain_model(pipe.transformer)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        plain_clip(other, pipe, z_r, settings)
    one = plain_flops(pipe.transformer, 4, 6, len(pipe.prompt.embedding))
    assert settings.steps * 3 * one == counter.get_total_flops()


@torch.no_grad()
def test_the_alternative_runs_algorithm_1_over_clips(material, settings):
    """The same model in the reverse process of ``read_core.ans`` gives the same latents."""
    pipe, z_r = material.pipe, material.reference().latent
    other = plain_model(pipe.transformer)
    settings = replace(settings, guidance=NoCFG())
    found = plain_video(other, pipe, z_r, settings, clips=3)
    text, mask = pipe.prompt.embedding[None], pipe.prompt.mask[None]

    def velocity(z, t, _clips):
        out = other(
            z.permute(0, 2, 3, 4, 1).flatten(1, 3),
            text,
            1000 * t.repeat_interleave(6, dim=1),
            mask,
            4,
            2,
            3,
            (8 / 25, 32, 32),
            return_dict=False,
        )[0]
        return out.unflatten(1, (4, 2, 3)).permute(0, 4, 1, 2, 3)

    parts = [plain_noise(z_r, 3, clip)[:, :, min(clip, 1) :] for clip in range(3)]
    times = timesteps(settings.steps, pipe.defaults.shift_at(4 * 6))
    expected = reverse(velocity, torch.cat(parts, dim=2), z_r, times, 4)
    torch.testing.assert_close(found, expected)


def test_seconds_are_of_the_calls_that_count():
    calls = []
    found = seconds_of(lambda: calls.append(0), CPU, rounds=3, warmup=2)
    assert len(calls) == 5
    assert 0 < found.least <= found.median <= found.most
    assert matmul_ceiling(CPU, torch.float32, side=32) > 0


def test_variants_change_one_thing_each(material, settings):
    defaults = material.pipe.defaults
    everywhere = {n: v for n, v in variants_of(settings, defaults).items() if not v.needs_cuda}
    found = variants_of(settings, defaults)
    evaluations = {n: v.settings.steps * len(v.settings.guidance.branches) for n, v in everywhere.items()}
    same = dict.fromkeys(("chosen", "split", "wavefront", "steps", "compiled"), 6)
    assert evaluations == same | {"joint": 4, "no guidance": 2, "student": 4}
    assert found["wavefront"].settings == replace(settings, order="wavefront")
    assert found["joint"].settings.guidance == defaults.guidance_of("joint")
    assert found["student"].settings.guidance == DistilledCFG(2.0, 6.0)
    needy = {"CUDA graphs", "float8", "student, CUDA graphs", "student, float8"}
    assert found.keys() - everywhere.keys() == needy
    assert list(chosen_variants(["joint"], found)) == ["joint"]
    assert chosen_variants(None, found) == found
    with pytest.raises(InputError, match="no variant is called 'faster'"):
        chosen_variants(["faster"], found)
    without = variants_of(settings, replace(defaults, distilled=None))
    assert not [name for name in without if "student" in name]


def test_the_student_of_random_models_has_the_rank_of_the_recipe(material):
    recipe = yaml.safe_load((ROOT / "configs" / "full" / "distill.yaml").read_text())
    student = material.pipe.student
    config = {name: student.config[name] for name in ("rank", "alpha", "beta", "steps")}
    assert {name: list(value) if name != "rank" else value for name, value in config.items()} == {
        name: recipe[name] for name in config
    }


@pytest.mark.parametrize("name", ["compiled", "CUDA graphs"])
def test_a_variant_leaves_the_model_as_it_was(material, settings, name):
    pipe = material.pipe
    model, blocks = pipe.transformer, pipe.transformer.transformer_blocks
    with prepared(pipe, variants_of(settings, pipe.defaults)[name]):
        compiled = [block._compiled_call_impl is not None for block in blocks]
        assert compiled == [name == "compiled"] * len(blocks)
        assert (pipe.transformer is model) == (name == "compiled")
    assert pipe.transformer is model
    assert all(block._compiled_call_impl is None for block in blocks)


@pytest.mark.parametrize("guidance", [SplitCFG(2.0, 6.0), DistilledCFG(2.0, 6.0)])
def test_float8_is_of_a_copy_with_the_student_in_it(settings, monkeypatch, guidance):
    """Without the rounding, which needs a GPU, it samples what the transformer samples."""
    quantized = []

    def quantize_(model, _config, filter_fn, device):
        names = [name for name, module in model.named_modules() if filter_fn(module, name)]
        quantized.append((model, names, device))

    fake = SimpleNamespace(Float8DynamicActivationFloat8WeightConfig=object, quantize_=quantize_)
    monkeypatch.setitem(sys.modules, "torchao", SimpleNamespace(quantization=fake))
    monkeypatch.setitem(sys.modules, "torchao.quantization", fake)
    material = make_material(random_pipeline("tiny", CPU, torch.float32), 1, (64, 96), window=4)
    pipe, speech, reference = material.pipe, material.speech(4), material.reference()
    assert pipe.student is not None
    for parameter in pipe.student.parameters():
        parameter.normal_(std=0.1)
    settings = replace(settings, guidance=guidance)
    plain = pipe.sample(speech, reference, settings, on_warning=ignore)
    own, model = pipe.transformer.proj_out.weight.clone(), pipe.transformer
    with prepared(pipe, Variant(settings, float8=True)):
        assert pipe.transformer is quantized[0][0] is not model
        found = pipe.sample(speech, reference, settings, on_warning=ignore)
    torch.testing.assert_close(found, plain)
    assert torch.equal(model.proj_out.weight, own)
    names = quantized[0][1]
    assert "transformer_blocks.0.ff.net.2" in names
    assert "proj_in" not in names  # 8 channels


@pytest.mark.slow
def test_compiled_blocks_sample_the_same(material, settings):
    pipe, speech, reference = material.pipe, material.speech(4), material.reference()
    plain = pipe.sample(speech, reference, settings, on_warning=ignore)
    with prepared(pipe, Variant(settings, "default")):
        found = pipe.sample(speech, reference, settings, on_warning=ignore)
        again = pipe.sample(speech, reference, settings, on_warning=ignore)
    torch.testing.assert_close(found, plain, atol=1e-3, rtol=1e-3)
    assert torch.equal(found, again)


def test_rates_follow_from_the_times_of_whole_clips(material, settings):
    pipe, speech, reference = material.pipe, material.speech(4), material.reference()
    assert speech.num_frames == 1 + 8 * 5  # two clips of 3 new latents that share one
    frames = [to_host(f) for f in pipe.stream(speech, reference, settings, on_warning=ignore)]
    assert torch.cat(frames).shape == (41, 64, 96, 3)
    speed = measure(material, Variant(settings), 1e12, rounds=1)
    assert speed.fps == pytest.approx(16 / speed.total)  # new frames of the second clip
    assert speed.factor == pytest.approx(25 / speed.fps)
    assert speed.share == pytest.approx(speed.teraflops)
    assert 0.1e9 < speed.memory * 1e9 <= (peak_host_memory() or 0)
    later = measure(material, Variant(replace(settings, order="wavefront")), 1e12, rounds=1)
    assert later.first > later.backbone  # all clips are sampled before the first frames


def test_every_stage_has_a_row(material, settings):
    found = measure_stages(material, settings, rounds=1)
    assert len(found) == 6
    assert all(stage.seconds > 0 for stage in found.values())
    alternative = found["alternative: a plain loop over diffusers"].teraflop * 1e12
    assert alternative == 6 * plain_flops(material.pipe.transformer, 4, 6, 4)


def test_one_command_writes_one_report(tmp_path, capsys):
    options = ["--random", "tiny", "--size", "64", "--steps", "1", "--window", "4", "--clips", "1"]
    chosen = ["--rounds", "1", "--variants", "chosen", "student", "--out", str(tmp_path)]
    assert main(["bench", *options, *chosen]) == 0
    report = json.loads((tmp_path / "bench.json").read_text())
    assert [table["title"] for table in report["tables"]] == ["Stages", "Variants"]
    assert [row[0] for row in report["tables"][1]["rows"]] == ["chosen", "student"]
    assert report["facts"]["size"] == "64 x 64"
    assert (tmp_path / "bench.png").stat().st_size > 1000
    assert "end to end, s per clip" in capsys.readouterr().out


def test_rows_without_time_or_memory_are_listed(tmp_path, monkeypatch):
    """Each row is in the report as soon as it is measured."""
    seen = []

    def measured(_material, variant, *_):
        seen.append(json.loads((tmp_path / "bench.json").read_text())["tables"])
        if variant.settings.guidance.kind == "joint":
            raise RuntimeError("CUDA out of memory")
        clock[0] += 60
        return Speed(1, *[1.0] * 9)

    clock = [0.0]
    monkeypatch.setattr("read_core.bench.command.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("read_core.bench.results.measure", measured)
    monkeypatch.setattr("read_core.bench.results.measure_stages", lambda *_: {})
    options = ["--random", "tiny", "--window", "4", "--clips", "1", "--out", str(tmp_path)]
    rows = ["--variants", "joint", "chosen", "student", "steps", "split"]
    assert main(["bench", *options, *rows, "--time-limit", "100"]) == 0
    assert [row[0] for row in seen[2][1]["rows"]] == ["chosen"]
    assert ["student", "not measured yet"] in seen[2][2]["rows"]
    tables = json.loads((tmp_path / "bench.json").read_text())["tables"]
    assert [row[0] for row in tables[1]["rows"]] == ["chosen", "student"]
    assert tables[2]["rows"] == [
        ["joint", "not measured: out of main memory (CUDA out of memory)"],
        ["steps", "not measured: out of time"],
        ["split", "not measured: out of time"],
    ]


def test_rows_that_this_machine_cannot_have_are_listed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao", None)
    monkeypatch.setattr("read_core.bench.results.measure_stages", lambda *_: {})
    monkeypatch.setattr(Variant, "needs_cuda", property(lambda self: self.compiled == "reduce-overhead"))
    options = ["--random", "tiny", "--size", "64", "--steps", "1", "--window", "4", "--clips", "1"]
    chosen = ["--rounds", "1", "--variants", "CUDA graphs", "float8", "--out", str(tmp_path)]
    assert main(["bench", *options, *chosen]) == 0
    assert json.loads((tmp_path / "bench.json").read_text())["tables"][-1]["rows"] == [
        ["CUDA graphs", "not measured: it needs a CUDA device"],
        ["float8", "not measured: float8 needs the package torchao; install it, or leave float8 out"],
    ]


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_a_checkpoint_runs_as_generate_runs_it(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr("read_core.pipeline.bfloat16_is_fast", lambda: True)
    monkeypatch.setattr("read_core.bench.results.measure_stages", lambda *_: {})
    seen = []

    def measured(material, *_):
        seen.append((material.pipe.transformer.dtype, material.pipe.vae.rounded))
        return Speed(1, *[1.0] * 9)

    monkeypatch.setattr("read_core.bench.results.measure", measured)
    chosen = ["--device", "cpu", "--clips", "1", "--variants", "chosen", "--out", str(tmp_path)]
    assert main(["bench", "--checkpoint", str(BUNDLED), *chosen, *(["--dtype", dtype] if dtype else [])]) == 0
    assert seen == [(torch.bfloat16, True) if dtype is None else (torch.float32, False)]


def test_guidance_and_order_are_those_of_the_chosen_row(tmp_path):
    options = ["--random", "tiny", "--steps", "1", "--window", "4", "--clips", "1", "--rounds", "1"]
    chosen = ["--guidance", "joint", "--order", "steps", "--variants", "chosen", "--out", str(tmp_path)]
    assert main(["bench", *options, *chosen, "--attention", "native"]) == 0
    report = json.loads((tmp_path / "bench.json").read_text())
    assert report["facts"]["chosen"] == "joint, 1 steps, window 4, order steps"
    assert report["facts"]["attention"] == "native"
    assert report["tables"][1]["rows"][0][1] == 2  # evaluations


def test_a_memory_limit_caps_the_allocator(monkeypatch):
    device, set_to = torch.device("cuda:1"), []
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80_000_000_000)
    )
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: set_to.append(given))
    limit_memory(device, memory_share(device, 24))
    assert set_to == [(0.3, device)]
    for wrong in (0, 81):
        with pytest.raises(InputError, match=f"is {wrong} GB; expected more than 0, up to 80.0"):
            memory_share(device, wrong)


def test_a_memory_limit_is_refused_on_a_cpu(capsys):
    assert main(["bench", "--random", "tiny", "--device", "cpu", "--memory-limit", "8"]) == 2
    assert "--memory-limit is for a CUDA device; this runs on cpu" in capsys.readouterr().err


def test_bad_options_end_before_any_model_is_made(capsys):
    assert main(["bench", "--random", "tiny", "--size", "65"]) == 2
    assert "65" in capsys.readouterr().err


def test_the_script_for_a_gpu_is_rehearsed_at_toy_size(tmp_path):
    environment = os.environ | {"TOY": "1", "PYTHON": sys.executable}
    rows = ["--variants", "chosen", "student, float8"]
    command = ["bash", str(ROOT / "scripts" / "gpu_bench.sh"), str(tmp_path), *rows]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tables = json.loads((tmp_path / "bench.json").read_text())["tables"]
    assert [row[0] for row in tables[1]["rows"]] == ["chosen"]
    assert tables[2]["rows"] == [["student, float8", "not measured: it needs a CUDA device"]]
