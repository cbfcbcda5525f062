"""Headers of safetensors files, against the bytes of the format; the files of a folder."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from read_core.errors import CheckpointError
from read_core.weights.files import read_header, read_metadata, read_tensors, weight_files

TENSORS = {
    "a.one": torch.arange(6.0).reshape(2, 3),
    "a.two": torch.zeros(2, 0, dtype=torch.bfloat16),
    "b": torch.ones(4, dtype=torch.bool),
    "c": torch.ones(()).to(torch.float8_e4m3fn),
}


@pytest.fixture
def file(tmp_path):
    save_file(TENSORS, tmp_path / "some.safetensors", {"made": "today"})
    return tmp_path / "some.safetensors"


def test_the_header_is_what_the_file_begins_with(file):
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    expected = json.loads(raw[8 : 8 + length])
    assert read_metadata(file) == expected.pop("__metadata__") == {"made": "today"}
    found = read_header(file)
    assert found.keys() == expected.keys()
    for name, info in found.items():
        assert (info.dtype, list(info.shape)) == (expected[name]["dtype"], expected[name]["shape"])
        assert info.numel == TENSORS[name].numel()
    floats = {name for name, info in found.items() if info.is_floating_point()}
    assert floats == {"a.one", "a.two"}  # float8 means nothing without its scale


def test_tensors_of_a_prefix(file):
    found = read_tensors(file, "a.")
    assert found.keys() == {"a.one", "a.two"}
    assert torch.equal(found["a.one"], TENSORS["a.one"])
    assert read_tensors(file).keys() == TENSORS.keys()


@pytest.mark.parametrize("read", [read_header, read_metadata, read_tensors])
def test_a_file_that_is_no_whole_one_is_refused(file, read):
    whole = file.read_bytes()
    for content in (whole[:-1], whole + b"0", whole[:20], b"", b"PK\x03\x04" + whole):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"some\.safetensors is truncated, damaged or not"):
            read(file)
    with pytest.raises(CheckpointError, match="is missing"):
        read(file.with_name("other.safetensors"))


def test_pickles_beside_the_weights_are_left_alone_but_never_taken(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match=r"contains pickles, .*never opened: pytorch_model\.bin"):
        weight_files(tmp_path)
    save_file(TENSORS, tmp_path / "model.safetensors")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]


def test_shards_stay_in_their_folder(tmp_path):
    index = {"weight_map": {"a": "two.safetensors", "b": "../one.safetensors", "c": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weight_files(tmp_path) == [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
