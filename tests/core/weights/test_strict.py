"""Strict loading: what differs is listed, and nothing is loaded then."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from read_core.errors import CheckpointError
from read_core.weights.bundled import load_bundled, save_bundled
from read_core.weights.strict import compare, load_strict, refuse


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.register_buffer("mask", torch.ones(4, dtype=torch.bool))


def loaded(model, tensors, **how):
    load_strict(model, tensors, "the file does not fit", "Use another", **how)


def test_what_fits_has_no_differences():
    assert compare(Small().state_dict(), Small().state_dict()) == []


def test_every_difference_is_listed_once():
    found = {
        "layer.weight": torch.zeros(2, 4),
        "mask": torch.zeros(4),
        "more": torch.zeros(1),
    }
    assert compare(Small().state_dict(), found) == [
        "missing layer.bias",
        "foreign more",
        "layer.weight has shape (2, 4), expected (2, 3)",
        "mask has type torch.float32, expected BOOL",
    ]
    found = {**Small().state_dict(), "layer.bias": torch.zeros(2, dtype=torch.int64)}
    assert compare(Small().state_dict(), found) == [
        "layer.bias has type torch.int64, expected F64 or F32 or F16 or BF16"
    ]


def test_a_long_list_is_cut():
    with pytest.raises(CheckpointError, match=r"^it: p0; .*; p19; and 5 more\. Do this$"):
        refuse([f"p{i}" for i in range(25)], "it", "Do this")
    refuse([], "it", "Do this")


def test_a_model_without_memory_gets_the_tensors_themselves():
    tensors = {**Small().state_dict(), "layer.weight": torch.randn(2, 3).half()}
    with torch.device("meta"):
        model = Small()
    loaded(model, tensors)
    assert model.layer.weight.data_ptr() == tensors["layer.weight"].data_ptr()
    assert model.layer.weight.dtype == torch.float16


def test_what_does_not_fit_changes_nothing():
    model = Small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tensors = {"layer.weight": torch.full((2, 3), 7.0), "mask": torch.zeros(4, dtype=torch.bool)}
    with pytest.raises(CheckpointError, match=r"^the file does not fit: missing layer\.bias\. Use another$"):
        loaded(model, tensors)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_may_be_absent_stays_and_may_not_come():
    model, bias = Small(), torch.tensor([1.0, 2.0])
    with torch.no_grad():
        model.layer.bias.copy_(bias)
    tensors = {"layer.weight": torch.full((2, 3), 7.0), "mask": torch.zeros(4, dtype=torch.bool)}
    loaded(model, tensors, absent=lambda name: name == "layer.bias")
    assert torch.equal(model.layer.bias, bias)
    assert bool((model.layer.weight == 7).all())
    with pytest.raises(CheckpointError, match=r"foreign layer\.bias"):
        loaded(model, {**tensors, "layer.bias": bias}, absent=lambda name: name == "layer.bias")


def test_bundled_weights_come_back_in_float32_and_frozen(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    save_bundled(model, tmp_path / "a.safetensors")
    again = load_bundled(nn.Sequential(nn.Linear(3, 2), nn.Dropout()), tmp_path / "a.safetensors")
    assert torch.equal(again.get_parameter("0.weight"), model.get_parameter("0.weight").half().float())
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    with pytest.raises(CheckpointError, match=r"a\.safetensors does not fit Linear: missing weight"):
        load_bundled(nn.Linear(3, 2), tmp_path / "a.safetensors")
