"""Files of weights: which are read, and what the messages say about the others."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from read_core.errors import CheckpointError
from read_core.evaluation.networks import files
from read_core.evaluation.networks.files import FILES, load_network

NAME = FILES["fid"].names[0]


def make() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def state(**more):
    kept = {name: value for name, value in make().state_dict().items() if "num_batches" not in name}
    return kept | more


@pytest.mark.parametrize("kind", ["pickle", "safetensors"])
def test_a_file_is_read_without_what_the_metric_does_not_use(tmp_path, kind):
    tensors = state() | {"fc.weight": torch.ones(4, 4)}
    if kind == "pickle":
        torch.save(tensors, tmp_path / NAME)
    else:
        save_file(tensors, tmp_path / NAME.replace(".pth", ".safetensors"))
    told: list[str] = []
    network, found = load_network(tmp_path, "fid", make, told.append)
    assert torch.equal(network.get_parameter("0.weight"), tensors["0.weight"])
    assert not network.training
    assert not any(value.requires_grad for value in network.parameters())
    assert len(told) == (kind == "pickle")  # its checksum is not the published one
    assert found.known is (False if kind == "pickle" else None)


def test_the_published_checksum_is_recognized(tmp_path, monkeypatch):
    torch.save(state(), tmp_path / NAME)
    monkeypatch.setattr(files, "checksum", lambda paths: FILES["fid"].sha256 + "0" * 56)
    told: list[str] = []
    assert load_network(tmp_path, "fid", make, told.append)[1].known is True
    assert not told


def test_a_missing_file_says_where_it_comes_from(tmp_path):
    with pytest.raises(CheckpointError, match=r"rgb_imagenet.*piergiaj"):
        load_network(tmp_path, "fvd", make)


def test_programs_cut_files_and_other_networks_are_refused(tmp_path):
    path = tmp_path / "syncnet_v2.model"
    torch.jit.save(torch.jit.script(nn.Linear(3, 2)), path)
    with pytest.raises(CheckpointError, match="never run"):
        load_network(tmp_path, "sync", make, lambda told: None)
    torch.save(state(), path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(CheckpointError, match="cut short"):
        load_network(tmp_path, "sync", make, lambda told: None)
    torch.save(make(), path)
    with pytest.raises(CheckpointError, match="more than weights"):
        load_network(tmp_path, "sync", make, lambda told: None)
    torch.save([torch.ones(2)], path)
    with pytest.raises(CheckpointError, match="no table"):
        load_network(tmp_path, "sync", make, lambda told: None)
    torch.save(state(foreign=torch.ones(1)), path)
    with pytest.raises(CheckpointError, match="foreign"):
        load_network(tmp_path, "sync", make, lambda told: None)
