"""Folders of any portraits: which are used, with which landmarks, and what is said of the others."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from read_core.cli.main import main
from read_core.corpus.photo.anatomy import eyes_and_mouth
from read_core.corpus.photo.found import find_portraits
from read_core.corpus.photo.scene import PhotoScene
from read_core.corpus.photo.stills import find_stills
from read_core.errors import InputError

LIPS = (13, 14, 61, 291)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, photographs, hard_photographs):
    """The photographs alone, without their landmarks, among pictures that cannot be used."""
    folder = tmp_path_factory.mktemp("portraits")
    for path in sorted((photographs / "images").iterdir()):
        shutil.copy(path, folder)
    inner = folder / "others"
    inner.mkdir()
    for name in ("cut", "tiny", "profile", "shuffled", "upside_down"):
        shutil.copy(hard_photographs[name].path, inner)
    (inner / "text.jpg").write_text("no picture")
    (inner / "notes.txt").write_text("not looked at")
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory, pictures):
    out = tmp_path_factory.mktemp("found") / "faces"
    return out, find_portraits(pictures, out, 96)


def test_portraits_are_used_and_the_others_named_with_the_reason(found):
    _, report = found
    assert report.used == 3
    assert report.refused == {
        "the border cuts the face": ["others/cut.png"],
        "the face is turned away": ["others/profile.png"],
        "no face": ["others/shuffled.png"],
        "it cannot be read": ["others/text.jpg"],
        "the face is small": ["others/tiny.png"],
        "the face is not upright": ["others/upside_down.png"],
    }
    assert report.text().startswith("3 portraits found; left out: ")
    assert "no face: 1 (others/shuffled.png)" in report.text()


def test_the_landmarks_are_those_that_were_hidden(found, photographs):
    out, _ = found
    for split in ("train", "validation", "test"):
        (true,), (still,) = find_stills(photographs, split), find_stills(out, split)
        assert still.path.name == true.path.name
        assert still.closed
        left, right, _ = eyes_and_mouth(true.landmarks)
        away = (still.landmarks - true.landmarks)[:, :2].norm(dim=1) / (right - left).norm()
        assert float(away.mean()) < 0.09
        assert float(away[list(LIPS)].max()) < 0.09


def test_a_scene_of_found_landmarks_speaks(found, photographs):
    """The same seed with the true landmarks gives nearly the same video."""
    out, _ = found
    drawn = [PhotoScene(3, "test", 0.36, 96, folder, "babble").draw() for folder in (out, photographs)]
    ours, theirs = (scene["frames"].float() / 255 for scene in drawn)
    assert ours.shape == theirs.shape
    assert float((ours[1:] - ours[:1]).abs().mean()) > 0.2 * float((theirs[1:] - theirs[:1]).abs().mean())
    assert float((ours - theirs).abs().mean()) < 0.06


def test_names_without_a_number_have_a_split_too(tmp_path, photograph):
    folder, splits = tmp_path / "named", set()
    folder.mkdir()
    for name in "abcdefgh":
        shutil.copy(photograph, folder / f"{name}.jpg")
    find_portraits(folder, tmp_path / "one", 96)
    (folder / "a.jpg").unlink()
    find_portraits(folder, tmp_path / "two", 96)
    one, two = (json.loads((tmp_path / out / "index.json").read_text()) for out in ("one", "two"))
    assert [entry["split"] for entry in one[1:]] == [entry["split"] for entry in two]
    splits = {entry["split"] for entry in one}
    assert splits <= {"train", "validation", "test"}
    assert np.load(tmp_path / "two" / "landmarks.npy").shape == (7, 478, 3)


def test_an_open_mouth_is_refused(tmp_path, hard_photographs):
    folder = tmp_path / "open"
    folder.mkdir()
    shutil.copy(hard_photographs["open_mouth"].path, folder)
    with pytest.raises(InputError, match=r"0 portraits found.*mouth is open: 1 \(open_mouth\.png\)"):
        find_portraits(folder, tmp_path / "out", 96)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no picture"):
        find_portraits(tmp_path, tmp_path / "out", 96)


def test_find_on_the_command_line(tmp_path, pictures, capsys):
    arguments = ["--synthesizer", "babble", "--seconds", "0.7", "--size", "96", "--count", "1"]
    out = tmp_path / "corpus"
    faces = ["--faces", str(pictures)]
    assert main(["corpus", "--out", str(out), *faces, *arguments]) == 2
    assert "--find" in capsys.readouterr().err
    assert main(["corpus", "--out", str(out), "--find", *faces, *arguments]) == 0
    assert "3 portraits found" in capsys.readouterr().err
    assert len(list((out / "train").glob("*.safetensors"))) == 1
    assert main(["corpus", "--out", str(out), "--find", *arguments]) == 2
    assert "give the folder with --faces" in capsys.readouterr().err


def test_landmarks_that_are_there_are_used(tmp_path, photographs):
    arguments = ["--synthesizer", "babble", "--seconds", "0.7", "--size", "64", "--count", "1"]
    out = tmp_path / "corpus"
    assert main(["corpus", "--out", str(out), "--find", "--faces", str(photographs), *arguments]) == 0
    assert not (out / "faces").exists()
