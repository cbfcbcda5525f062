"""Format 2: a layout of the face, and the optional parts ``detail/`` and ``eyelids/``."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core.checkpoint import describe, load_checkpoint, save_checkpoint
from read_core.cli.main import main
from read_core.detail import DetailNetwork
from read_core.errors import CheckpointError
from read_core.eyelids.network import EyelidNetwork
from read_core.face.alignment import FaceLayout
from read_core.pipeline import ReadPipeline
from read_core.video import AlignedAutoencoder
from read_core.video.configs import TINY_INNER

LAYOUT = FaceLayout(0.34, 0.4, 0.72)
WEIGHTS = "diffusion_pytorch_model.safetensors"


def index_of(folder):
    return json.loads((folder / "model_index.json").read_text())


def edit_index(folder, **changes):
    values = index_of(folder) | changes
    kept = {key: value for key, value in values.items() if value is not None}
    (folder / "model_index.json").write_text(json.dumps(kept))


@pytest.fixture(scope="module")
def components(tiny_components):
    torch.manual_seed(0)
    detail = DetailNetwork(widths=(8, 8, 16), features=3, refine_width=4).eval()
    eyelids = EyelidNetwork((8, 8, 8)).eval()
    card = replace(tiny_components.card, face=LAYOUT)
    return replace(tiny_components, card=card, detail=detail, eyelids=eyelids)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, components):
    folder = tmp_path_factory.mktemp("format2") / "whole"
    save_checkpoint(folder, components)
    return folder


@pytest.fixture
def broken(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "broken")


def test_layout_and_optional_parts_come_back(whole, components):
    assert index_of(whole)["format"] == 2
    loaded = load_checkpoint(whole)
    assert loaded.card.face == LAYOUT
    pipe = ReadPipeline(loaded)
    for name in ("detail", "eyelids"):
        expected, found = getattr(components, name).state_dict(), getattr(loaded, name).state_dict()
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
        assert not getattr(loaded, name).training
        assert getattr(pipe, name) is getattr(loaded, name)
    assert pipe.own_fit == "face"


def test_a_checkpoint_without_either_is_still_of_format_1(tiny_checkpoint):
    index = index_of(tiny_checkpoint)
    assert index["format"] == 1
    assert not {"face", "detail", "eyelids"} & set(index)
    loaded = load_checkpoint(tiny_checkpoint)
    assert (loaded.card.face, loaded.detail, loaded.eyelids) == (None, None, None)


def test_format_2_without_detail_or_without_a_layout_is_fine(tmp_path, components):
    save_checkpoint(tmp_path / "face", replace(components, detail=None, eyelids=None))
    loaded = load_checkpoint(tmp_path / "face")
    assert (loaded.card.face, loaded.detail, loaded.eyelids) == (LAYOUT, None, None)
    save_checkpoint(tmp_path / "detail", replace(components, card=replace(components.card, face=None)))
    loaded = load_checkpoint(tmp_path / "detail")
    assert loaded.card.face is None
    assert loaded.detail is not None
    assert index_of(tmp_path / "face")["format"] == index_of(tmp_path / "detail")["format"] == 2


def test_describe_and_info_tell_of_both(whole, components, capsys):
    (part,) = [part for part in describe(whole).parts if part.name == "detail"]
    assert part.class_name == "DetailNetwork"
    assert part.parameters == sum(tensor.numel() for tensor in components.detail.state_dict().values())
    assert main(["info", str(whole)]) == 0
    printed = capsys.readouterr().out
    assert "eye distance 0.34, eyes at 0.4, mouth at 0.72" in printed
    assert "DetailNetwork" in printed


def test_a_named_part_that_is_not_there(broken):
    shutil.rmtree(broken / "detail")
    for read in (load_checkpoint, describe):
        with pytest.raises(CheckpointError, match=r"detail.* is missing"):
            read(broken)


def test_a_part_that_nothing_names(broken):
    edit_index(broken, detail=None)
    for read in (load_checkpoint, describe):
        with pytest.raises(CheckpointError, match=r"detail exists, but .*does not list it"):
            read(broken)


def test_a_part_of_another_class(broken):
    edit_index(broken, detail=["diffusers", "UNet2DModel"])
    with pytest.raises(CheckpointError, match="other classes"):
        load_checkpoint(broken)


@pytest.mark.parametrize("change", ["missing", "foreign"])
def test_weights_are_compared_strictly(broken, change):
    file = broken / "detail" / WEIGHTS
    tensors = load_file(file)
    name = next(iter(tensors))
    if change == "missing":
        tensors.pop(name)
    else:
        name = "other.weight"
        tensors[name] = torch.zeros(1)
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match=f"detail .*{change} {name}"):
        load_checkpoint(broken)


def test_a_card_may_say_that_heads_keep_still(tmp_path, tiny_components):
    card = replace(tiny_components.card, still_head=True)
    save_checkpoint(tmp_path / "still", replace(tiny_components, card=card))
    assert index_of(tmp_path / "still")["format"] == 2
    assert load_checkpoint(tmp_path / "still").card == card
    save_checkpoint(tmp_path / "lively", tiny_components)
    assert "still_head" not in index_of(tmp_path / "lively")
    assert load_checkpoint(tmp_path / "lively").card.still_head is False


def test_format_1_has_no_detail(broken):
    edit_index(broken, format=1)
    with pytest.raises(CheckpointError, match="detail"):
        load_checkpoint(broken)


def test_a_vae_of_aligned_faces_comes_back(tmp_path, tiny_components):
    """With the older kinds alone the format would be 1, which earlier versions read."""
    kept = tiny_components.vae.config
    torch.manual_seed(0)
    vae = AlignedAutoencoder(inner=dict(TINY_INNER), grid=(2, 2), latent_channels=kept.latent_channels)
    torch.nn.init.normal_(vae.down.weight)
    save_checkpoint(tmp_path / "aligned", replace(tiny_components, vae=vae), dtype=torch.float16)
    index = index_of(tmp_path / "aligned")
    assert (index["format"], index["vae"]) == (2, ["read_core.video", "AlignedAutoencoder"])
    loaded = load_checkpoint(tmp_path / "aligned").vae
    torch.testing.assert_close(loaded.down.weight, vae.down.weight, atol=1e-2, rtol=0)
    part = next(part for part in describe(tmp_path / "aligned").parts if part.name == "vae")
    assert part.parameters >= sum(p.numel() for p in vae.parameters())
