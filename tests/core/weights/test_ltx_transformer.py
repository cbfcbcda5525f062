"""Loading LTX-Video's weights: diffusers folders, original files, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import LTXVideoTransformer3DModel
from safetensors.torch import load_file, save_file

from read_core.errors import CheckpointError
from read_core.transformer import TINY
from read_core.transformer.configs import LTX_2B
from read_core.weights.ltx_transformer import (
    PREFIX,
    check_size,
    file_config,
    is_addition,
    load_diffusers,
    read_transformer,
    rename,
)

SPEECH = {"code_dim": TINY["code_dim"], "code_slots": TINY["code_slots"]}
ORIGINAL = {
    "proj_in.": "patchify_proj.",
    "time_embed.": "adaln_single.",
    "norm_q.": "q_norm.",
    "norm_k.": "k_norm.",
}


@pytest.fixture
def ltx():
    torch.manual_seed(0)
    shape = {key: value for key, value in TINY.items() if key not in (*SPEECH, "causal_coords")}
    return LTXVideoTransformer3DModel(**shape, cross_attention_dim=32)


@pytest.fixture
def folder(ltx, tmp_path):
    ltx.save_pretrained(tmp_path / "transformer")
    return tmp_path / "transformer"


def original_name(key: str) -> str:
    for name, original in ORIGINAL.items():
        key = key.replace(name, original)
    return PREFIX + key


@pytest.fixture
def original(ltx):
    """The tensors of an original file, the VAE's beside."""
    tensors = {original_name(key): value.clone() for key, value in ltx.state_dict().items()}
    return {**tensors, "vae.encoder.conv_in.conv.bias": torch.zeros(3)}


@pytest.fixture
def single_file(original, tmp_path):
    save_file(original, tmp_path / "ltx.safetensors")
    return tmp_path / "ltx.safetensors"


def assert_holds(model, ltx):
    """LTX-Video's weights as they were, a silent audio branch, nothing left on meta."""
    loaded = model.state_dict()
    for key, value in ltx.state_dict().items():
        torch.testing.assert_close(loaded[key], value, rtol=0, atol=0)
    for key in filter(is_addition, loaded):
        assert loaded[key].isfinite().all()
        assert bool(loaded[key].any()) != (".to_out.0." in key)


def test_diffusers_folder(ltx, folder):
    model = load_diffusers(folder, causal_coords=False, **SPEECH)
    assert_holds(model, ltx)
    assert {key: model.config[key] for key in TINY} == {**TINY, "causal_coords": False}


def test_sharded_diffusers_folder(ltx, tmp_path):
    ltx.save_pretrained(tmp_path, max_shard_size="50KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert_holds(load_diffusers(tmp_path, **SPEECH), ltx)


def test_single_file(ltx, single_file):
    found = read_transformer(single_file)
    expected = ltx.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_names_are_those_of_diffusers_converter(original):
    convert = pytest.importorskip("diffusers.loaders.single_file_utils")
    expected = convert.convert_ltx_transformer_checkpoint_to_diffusers(dict(original))
    actual = {rename(key): value for key, value in original.items() if key.startswith(PREFIX)}
    assert actual.keys() == expected.keys()
    assert all(actual[key] is expected[key] for key in expected)


def test_float8_is_refused(original, tmp_path):
    path = tmp_path / "fp8.safetensors"
    save_file({key: value.to(torch.float8_e4m3fn) for key, value in original.items()}, path)
    with pytest.raises(CheckpointError, match=r"float8 tensors.*bfloat16"):
        read_transformer(path)


def test_a_folder_in_float8_is_refused(folder):
    file = folder / "diffusion_pytorch_model.safetensors"
    save_file({key: value.to(torch.float8_e5m2) for key, value in load_file(file).items()}, file)
    with pytest.raises(CheckpointError, match=r"float8 tensors.*bfloat16"):
        load_diffusers(folder, **SPEECH)


def test_dtype_is_the_one_asked_for(folder):
    model = load_diffusers(folder, dtype=torch.float16, **SPEECH)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}


def test_a_file_of_another_size_is_refused(single_file):
    with pytest.raises(CheckpointError, match=r"2 blocks of 32 channels; expected 28 of 2048.*Only the 2B"):
        check_size(single_file, LTX_2B, read_transformer(single_file))


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (None, {}),
        ({"config": "not json"}, {}),
        ({"config": json.dumps({"vae": {}})}, {}),
        ({"config": json.dumps({"transformer": {"num_layers": 2}})}, {"num_layers": 2}),
    ],
)
def test_what_the_file_says_of_its_transformer(original, tmp_path, metadata, told):
    save_file(original, tmp_path / "ltx.safetensors", metadata=metadata)
    assert file_config(tmp_path / "ltx.safetensors") == told


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("proj_out.bias", None, r"missing proj_out\.bias"),
        ("audio_proj.bias", torch.zeros(1), r"foreign audio_proj\.bias"),
        ("null_speech", torch.zeros(3, 10), "foreign null_speech"),
        ("proj_out.bias", torch.zeros(5), r"proj_out\.bias has shape \(5,\), expected \(8,\)"),
    ],
)
def test_keys_that_do_not_fit_are_listed(folder, key, value, message):
    file = folder / "diffusion_pytorch_model.safetensors"
    tensors = {**load_file(file), key: value}
    save_file({k: v for k, v in tensors.items() if v is not None}, file)
    with pytest.raises(CheckpointError, match=message):
        load_diffusers(folder, **SPEECH)


def test_files_of_another_kind_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is missing"):
        read_transformer(tmp_path / "nothing.safetensors")
    pickled = tmp_path / "pickled.ckpt"
    torch.save({"proj_in.weight": torch.zeros(2)}, pickled)
    with pytest.raises(CheckpointError, match="pickled weights are never opened"):
        read_transformer(pickled)
    save_file({"unet.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="expected an original LTX-Video 2B file"):
        read_transformer(tmp_path / "other.safetensors")


def test_folders_of_another_kind_are_refused(folder, tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_diffusers(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "patch_size": 2}))
    with pytest.raises(CheckpointError, match="patch_size = 2 instead of 1"):
        load_diffusers(folder)
    (folder / "config.json").write_text(json.dumps({**config, "_class_name": "FluxTransformer2DModel"}))
    with pytest.raises(CheckpointError, match="not of an LTXVideoTransformer3DModel"):
        load_diffusers(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"contains pickles, .*never opened: .*model\.bin"):
        load_diffusers(folder)
