"""Replacing the weights of a checkpoint's transformer by a file's."""

import pytest
import torch
from safetensors.torch import save_file

from read_core.errors import CheckpointError
from read_core.transformer import A2VTransformer3DModel
from read_core.transformer.configs import TINY
from read_core.weights.override import original_name, override_weights


def model(seed):
    torch.manual_seed(seed)
    made = A2VTransformer3DModel(**TINY)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made.eval()


def same(first, second):
    return all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "diffusion_model."])
def test_all_weights_come_from_the_file_whatever_its_names(tmp_path, prefix):
    other = model(1)
    state = {prefix + (original_name(k) if prefix else k): v for k, v in other.state_dict().items()}
    if prefix == "model.diffusion_model.":
        state["vae.decoder.conv_in.conv.weight"] = torch.zeros(3)  # a whole LTX-Video file holds its VAE too
    save_file(state, tmp_path / "other.safetensors")
    target = model(0)
    assert override_weights(target, tmp_path / "other.safetensors")
    assert same(other.state_dict(), target.state_dict())


def test_a_file_without_audio_branch_leaves_that_of_the_checkpoint(tmp_path):
    own, other, target = model(0).state_dict(), model(1).state_dict(), model(0)
    audio = [key for key in own if ".audio_attn." in key or key.startswith("null_")]
    save_file({k: v for k, v in other.items() if k not in audio}, tmp_path / "ltx.safetensors")
    assert not override_weights(target, tmp_path / "ltx.safetensors")
    expected = {key: own[key] if key in audio else value for key, value in other.items()}
    assert audio
    assert same(expected, target.state_dict())


def test_float8_weights_are_scaled(tmp_path):
    state = dict(model(1).state_dict())
    key = "transformer_blocks.0.attn1.to_q.weight"
    state[key] = torch.full_like(state[key], 2.0).to(torch.float8_e4m3fn)
    state[key.replace(".weight", ".scale_weight")] = torch.tensor(0.25)
    state["scaled_fp8"] = torch.empty(0, dtype=torch.float8_e4m3fn)
    save_file(state, tmp_path / "fp8.safetensors")
    target = model(0)
    override_weights(target, tmp_path / "fp8.safetensors")
    found = target.state_dict()[key]
    assert torch.equal(found, torch.full_like(found, 0.5))


def test_float8_without_a_scale_is_refused_and_changes_nothing(tmp_path):
    state = dict(model(1).state_dict())
    key = "transformer_blocks.0.attn1.to_q.weight"
    state[key] = state[key].to(torch.float8_e4m3fn)
    save_file(state, tmp_path / "fp8.safetensors")
    target = model(0)
    with pytest.raises(CheckpointError, match=r"1 float8 tensors without a scale.*to_q\.weight"):
        override_weights(target, tmp_path / "fp8.safetensors")
    assert same(model(0).state_dict(), target.state_dict())


def test_another_architecture_is_refused_and_changes_nothing(tmp_path):
    state = dict(model(1).state_dict())
    state["proj_in.weight"] = torch.zeros(2, 2)
    del state["proj_out.bias"]
    save_file(state, tmp_path / "foreign.safetensors")
    target = model(0)
    with pytest.raises(CheckpointError, match=r"missing proj_out\.bias; proj_in\.weight has shape \(2, 2\)"):
        override_weights(target, tmp_path / "foreign.safetensors")
    assert same(model(0).state_dict(), target.state_dict())


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "pickle.safetensors")
    with pytest.raises(CheckpointError, match="pickle"):
        override_weights(model(0), tmp_path / "pickle.safetensors")
