"""``read-core init``: published files become folders that diffusers and training load."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel
from diffusers.loaders.single_file_utils import convert_ltx_vae_checkpoint_to_diffusers
from safetensors.torch import load_file, save_file

from read_core.checkpoint import load_model
from read_core.cli.main import main
from read_core.errors import CheckpointError
from read_core.speech import load_whisper_encoder
from read_core.weights.ltx_transformer import load_diffusers
from read_core.weights.ltx_vae import RELEASES
from read_core.weights.start import read_start, write_start

from .original_files import (
    LATENTS,
    SHAPE,
    VAES,
    ltx_models,
    metadata,
    original_tensors,
    vae_name,
    write_original,
)


@pytest.fixture
def whisper(tiny_checkpoint):
    return tiny_checkpoint / "whisper"


def outputs(transformer, vae):
    """What both models answer to the same numbers."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(1, 2 * 2 * 2, LATENTS, generator=generator)
    text = torch.randn(1, 3, SHAPE["caption_channels"], generator=generator)
    pixels = torch.rand(1, 3, 9, 64, 64, generator=generator) * 2 - 1
    latents = torch.randn(1, LATENTS, 2, 2, 2, generator=generator)
    time = torch.tensor([0.05]) if vae.config.timestep_conditioning else None
    with torch.no_grad():
        velocity = transformer(
            tokens, text, torch.tensor([500.0]), torch.ones(1, 3), num_frames=2, height=2, width=2
        ).sample
        torch.manual_seed(2)  # 0.9.1 injects noise
        return velocity, vae.encode(pixels).latent_dist.mode(), vae.decode(latents, time).sample


def assert_same(first, second):
    """Equal but for the rounding that tensors at another place in memory have."""
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("release", "name", "causal"),
    [
        ("0.9.0", "LTX-Video 0.9.0", False),
        ("0.9.1", "LTX-Video 0.9.1", False),
        ("0.9.5", "LTX-Video 0.9.5 to 0.9.8", True),
    ],
)
def test_an_original_file_answers_as_diffusers_does(tmp_path, whisper, capsys, release, name, causal):
    expected = write_original(tmp_path / "ltx.safetensors", release, causal or None)
    (tmp_path / "ltx.license.txt").write_text("You may.")
    out = tmp_path / "start"
    arguments = ["--ltx", tmp_path / "ltx.safetensors", "--whisper", whisper, "--out", out]
    assert main(["init", *map(str, arguments)]) == 0
    transformer = LTXVideoTransformer3DModel.from_pretrained(out / "transformer")
    vae = AutoencoderKLLTXVideo.from_pretrained(out / "vae")
    assert_same(outputs(transformer, vae), outputs(*expected))
    assert torch.equal(vae.latents_std, expected[1].latents_std)
    own = load_model("vae", out / "vae").state_dict()
    assert all(torch.equal(value, own[name]) for name, value in expected[1].state_dict().items())
    assert load_diffusers(out / "transformer", code_dim=10, code_slots=3).config.causal_coords is causal
    heard, own = load_whisper_encoder(out / "whisper"), load_whisper_encoder(whisper)
    assert all(torch.equal(v, own.state_dict()[k]) for k, v in heard.state_dict().items())
    capsys.readouterr()
    assert main(["info", str(out)]) == 0
    told = capsys.readouterr().out
    assert f"{name}, from ltx.safetensors; license: ltx.license.txt" in told
    assert (out / "vae" / "LICENSE.txt").read_text() == "You may."


@pytest.mark.parametrize("release", VAES)
def test_a_folder_of_diffusers_is_recognized_by_its_vae(tmp_path, whisper, release):
    expected = ltx_models(release)
    for name, model in zip(("transformer", "vae"), expected, strict=True):
        model.save_pretrained(tmp_path / "ltx" / name)
    origins = write_start(tmp_path / "ltx", whisper, tmp_path / "start", ("mine", None))
    assert origins["vae"].release.startswith(f"LTX-Video {release}")
    assert origins["vae"].license == "mine"
    transformer = LTXVideoTransformer3DModel.from_pretrained(tmp_path / "start" / "transformer")
    vae = AutoencoderKLLTXVideo.from_pretrained(tmp_path / "start" / "vae")
    assert_same(outputs(transformer, vae), outputs(*expected))
    written = json.loads((tmp_path / "start" / "transformer" / "config.json").read_text())
    assert written["causal_temporal_positioning"] is (release == "0.9.5")


@pytest.mark.parametrize(("release", "config"), list(zip(VAES, RELEASES.values(), strict=True)))
def test_the_names_written_down_here_are_those_that_diffusers_knows(release, config):
    with torch.device("meta"):
        expected = AutoencoderKLLTXVideo.from_config(dict(config)).state_dict()
    named = {vae_name(key, release): value for key, value in expected.items()}
    converted = convert_ltx_vae_checkpoint_to_diffusers(dict(named))
    assert converted.keys() == expected.keys()
    assert all(converted[key] is expected[key] for key in expected)


def test_what_the_file_says_of_its_positions_counts_more_than_its_vae(tmp_path):
    write_original(tmp_path / "ltx.safetensors", "0.9.5", causal=False)
    assert read_start(tmp_path / "ltx.safetensors").causal is False


def test_float8_is_refused_by_its_type(tmp_path, whisper):
    transformer, vae = ltx_models()
    tensors = original_tensors(transformer, vae, "0.9.5")
    key = "model.diffusion_model.transformer_blocks.0.attn1.to_q.weight"
    scale = key.replace(".weight", ".scale_weight")
    tensors |= {key: tensors[key].to(torch.float8_e4m3fn), scale: torch.ones(1)}
    save_file(tensors, tmp_path / "fp8.safetensors", metadata())
    with pytest.raises(CheckpointError, match=r"1 float8 tensors.*to_q\.weight.*full precision.*bfloat16"):
        write_start(tmp_path / "fp8.safetensors", whisper, tmp_path / "start")
    assert not (tmp_path / "start").exists()


def test_a_folder_in_float8_is_refused(tmp_path):
    for name, model in zip(("transformer", "vae"), ltx_models(), strict=True):
        model.save_pretrained(tmp_path / name)
    file = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["encoder.conv_in.conv.weight"] = tensors["encoder.conv_in.conv.weight"].to(torch.float8_e5m2)
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match="float8"):
        read_start(tmp_path)


def test_a_larger_model_is_refused(tmp_path):
    transformer, vae = ltx_models()
    tensors = original_tensors(transformer, vae, "0.9.5")
    save_file(tensors, tmp_path / "13b.safetensors", metadata(SHAPE | {"num_layers": 48}))
    with pytest.raises(CheckpointError, match=r"48 blocks of 32 channels.*not 13B"):
        read_start(tmp_path / "13b.safetensors")


def test_a_transformer_alone_is_refused(tmp_path):
    transformer, vae = ltx_models()
    tensors = original_tensors(transformer, vae, "0.9.5")
    alone = {key: value for key, value in tensors.items() if not key.startswith("vae.")}
    save_file(alone, tmp_path / "alone.safetensors", metadata())
    with pytest.raises(CheckpointError, match="transformer alone"):
        read_start(tmp_path / "alone.safetensors")


def test_a_half_downloaded_file_is_refused(tmp_path):
    write_original(tmp_path / "ltx.safetensors")
    content = (tmp_path / "ltx.safetensors").read_bytes()
    (tmp_path / "ltx.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"truncated.*download it again"):
        read_start(tmp_path / "ltx.safetensors")


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as only Unix can")
def test_a_full_disk_is_one_message_and_leaves_nothing(tmp_path, whisper, capsys):
    import resource

    write_original(tmp_path / "ltx.safetensors")
    arguments = ["--ltx", tmp_path / "ltx.safetensors", "--whisper", whisper, "--out", tmp_path / "start"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        assert main(["init", *map(str, arguments)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "out of disk space" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["ltx.safetensors"]


def test_a_half_downloaded_whisper_is_refused(tmp_path, whisper):
    write_original(tmp_path / "ltx.safetensors")
    shutil.copytree(whisper, tmp_path / "whisper")
    (file,) = (tmp_path / "whisper").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(CheckpointError, match=r"safetensors is truncated"):
        write_start(tmp_path / "ltx.safetensors", tmp_path / "whisper", tmp_path / "start")
    assert not (tmp_path / "start").exists()


def test_a_folder_of_files_asks_for_the_file(tmp_path):
    write_original(tmp_path / "ltx.safetensors")
    with pytest.raises(CheckpointError, match=r"name the file itself: ltx\.safetensors"):
        read_start(tmp_path)


def test_what_is_there_is_replaced_on_request_only(tmp_path, whisper):
    write_original(tmp_path / "ltx.safetensors")
    for overwrite in (False, True):
        write_start(tmp_path / "ltx.safetensors", whisper, tmp_path / "start", overwrite=overwrite)
    with pytest.raises(CheckpointError, match="--overwrite"):
        write_start(tmp_path / "ltx.safetensors", whisper, tmp_path / "start")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear")
    with pytest.raises(CheckpointError, match="exists already"):
        write_start(tmp_path / "ltx.safetensors", whisper, tmp_path / "mine", overwrite=True)


def test_a_training_that_says_otherwise_about_positions_is_refused(tmp_path, whisper):
    write_original(tmp_path / "ltx.safetensors", "0.9.1", causal=None)
    write_start(tmp_path / "ltx.safetensors", whisper, tmp_path / "start")
    with pytest.raises(CheckpointError, match=r"causal_coords is True.*leave causal_coords out"):
        load_diffusers(tmp_path / "start" / "transformer", causal_coords=True, code_dim=10, code_slots=3)


def test_what_lies_next_to_the_parts_stays_when_they_are_replaced(tmp_path, whisper):
    """Such as the prompt, which only a run with --t5 writes."""
    write_original(tmp_path / "ltx.safetensors")
    start = tmp_path / "start"
    write_start(tmp_path / "ltx.safetensors", whisper, start)
    (start / "prompt.safetensors").write_bytes(b"embedding")
    (start / "notes").mkdir()
    (start / "notes" / "a.txt").write_text("mine")
    (start / "transformer" / "config.json").unlink()
    write_start(tmp_path / "ltx.safetensors", whisper, start, overwrite=True)
    assert (start / "prompt.safetensors").read_bytes() == b"embedding"
    assert (start / "notes" / "a.txt").read_text() == "mine"
    assert (start / "transformer" / "config.json").is_file()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("start")] == ["start"]
