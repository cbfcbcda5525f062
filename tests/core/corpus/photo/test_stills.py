"""Folders of portraits: splits, what is read, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from read_core.corpus.photo.stills import find_stills, split_of
from read_core.errors import InputError


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("sfhq-00100.jpg", "test"),
        ("sfhq-00107.jpg", "test"),
        ("a-208.png", "validation"),
        ("a-15.png", "validation"),
        ("a-16.png", "train"),
        ("t2i-01999.jpg", "train"),
        ("2x-00007.jpg", "test"),
    ],
)
def test_the_last_two_digits_decide_on_the_split(name, split):
    assert split_of(name) == split


def test_a_name_without_a_number_is_refused():
    with pytest.raises(InputError, match=r"portrait\.jpg.*number"):
        split_of("portrait.jpg")


def test_every_split_has_its_own_portraits(photographs):
    index = json.loads((photographs / "index.json").read_text())
    found = [still for split in ("train", "validation", "test") for still in find_stills(photographs, split)]
    assert sorted(still.path.name for still in found) == sorted(entry["file"] for entry in index)
    points = np.load(photographs / "landmarks.npy").astype(np.float32)
    for still in found:
        entry = [i for i, entry in enumerate(index) if entry["file"] == still.path.name]
        assert np.array_equal(still.landmarks.numpy(), points[entry[0]])
        width, height = Image.open(still.path).size
        assert (still.landmarks[:, :2] > 0).all()
        assert (still.landmarks[:, 0] < width).all()
        assert (still.landmarks[:, 1] < height).all()
        assert still.closed


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a folder of portraits"):
        find_stills(tmp_path, "train")


def test_points_of_another_number_are_refused(tmp_path, photographs):
    shutil.copytree(photographs, tmp_path / "faces")
    np.save(tmp_path / "faces" / "landmarks.npy", np.zeros((3, 468, 3), np.float16))
    with pytest.raises(InputError, match=r"\(3, 468, 3\).*\(3, 478, 3\)"):
        find_stills(tmp_path / "faces", "train")


def test_a_split_without_a_portrait_is_refused(tmp_path, photographs):
    shutil.copytree(photographs, tmp_path / "faces")
    index = json.loads((photographs / "index.json").read_text())
    (tmp_path / "faces" / "index.json").write_text(json.dumps([{**index[0], "file": "a-1.jpg"}]))
    np.save(tmp_path / "faces" / "landmarks.npy", np.load(photographs / "landmarks.npy")[:1])
    assert len(find_stills(tmp_path / "faces", "test")) == 1
    with pytest.raises(InputError, match="no portrait of the split train"):
        find_stills(tmp_path / "faces", "train")


def test_there_is_no_other_split(photographs):
    with pytest.raises(InputError, match="split"):
        find_stills(photographs, "dev")


@pytest.mark.parametrize("index", ["{}", '[{"file": "a-1.jpg"}]', '["a-1.jpg"]', "[", ""])
def test_an_index_of_another_kind_is_refused(tmp_path, photographs, index):
    shutil.copytree(photographs, tmp_path / "faces")
    (tmp_path / "faces" / "index.json").write_text(index)
    with pytest.raises(InputError, match="faces"):
        find_stills(tmp_path / "faces", "test")


def test_an_empty_file_of_points_is_refused(tmp_path, photographs):
    shutil.copytree(photographs, tmp_path / "faces")
    (tmp_path / "faces" / "landmarks.npy").write_bytes(b"")
    with pytest.raises(InputError, match="not a folder of portraits"):
        find_stills(tmp_path / "faces", "test")
