"""``read-core bench``: FLOPs against torch's counter, the alternative, the variants, the report."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from read_core.bench.clock import matmul_ceiling, seconds_of
from read_core.bench.flops import decoder_flops, evaluation_flops
from read_core.bench.material import make_material, random_pipeline
from read_core.bench.measure import measure, measure_stages, to_host
from read_core.bench.plain import plain_clip, plain_model
from read_core.bench.variants import chosen_variants, prepared, variants_of
from read_core.cli.main import main
from read_core.errors import InputError, ignore
from read_core.records import SamplingSettings
from read_core.video.configs import TINY
from read_core.weights.ltx_vae import HALOS, RELEASES

CPU = torch.device("cpu")


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


def test_seconds_are_of_the_calls_that_count():
    calls = []
    found = seconds_of(lambda: calls.append(0), CPU, rounds=3, warmup=2)
    assert len(calls) == 5
    assert 0 < found.least <= found.median <= found.most
    assert matmul_ceiling(CPU, torch.float32, side=32) > 0


def test_variants_change_one_thing_each(settings):
    found = variants_of(settings, on_gpu=False)
    evaluations = {n: v.settings.steps * len(v.settings.guidance.branches) for n, v in found.items()}
    assert evaluations == {"chosen": 6, "joint": 4, "no guidance": 2, "student": 4, "compiled": 6}
    assert {"CUDA graphs", "float8"} <= variants_of(settings, on_gpu=True).keys()
    assert list(chosen_variants(["joint"], found)) == ["joint"]
    assert chosen_variants(None, found) == found
    with pytest.raises(InputError, match="no variant is called 'faster'"):
        chosen_variants(["faster"], found)


def test_a_variant_leaves_the_model_as_it_was(material, settings):
    pipe = material.pipe
    model = pipe.transformer
    with prepared(pipe, variants_of(settings, on_gpu=True)["compiled"]):
        assert pipe.transformer is not model
    assert pipe.transformer is model


def test_rates_follow_from_the_times_of_whole_clips(material, settings):
    pipe, speech, reference = material.pipe, material.speech(4), material.reference()
    assert speech.num_frames == 1 + 8 * 5  # two clips of 3 new latents that share one
    frames = [to_host(f) for f in pipe.stream(speech, reference, settings, on_warning=ignore)]
    assert torch.cat(frames).shape == (41, 64, 96, 3)
    speed = measure(material, variants_of(settings, on_gpu=False)["chosen"], 1e12, rounds=1)
    assert speed.fps == pytest.approx(41 / (2 * speed.total))
    assert speed.factor == pytest.approx(25 / speed.fps)
    assert speed.share == pytest.approx(speed.teraflops)
    assert math.isnan(speed.memory)


def test_every_stage_has_a_row(material, settings):
    found = measure_stages(material, settings, rounds=1)
    assert len(found) == 6
    assert all(stage.seconds > 0 for stage in found.values())


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


def test_bad_options_end_before_any_model_is_made(capsys):
    assert main(["bench", "--random", "tiny", "--size", "65"]) == 2
    assert "65" in capsys.readouterr().err
