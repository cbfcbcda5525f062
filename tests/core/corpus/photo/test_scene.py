"""Scenes of talking photographs: what is recorded, and that seeds and splits decide on everything."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from read_core.corpus.build import build_corpus
from read_core.corpus.photo.anatomy import eyes_and_mouth
from read_core.corpus.photo.puppet import render_puppet
from read_core.corpus.photo.scene import from_rest, load_puppet, pick_still
from read_core.corpus.photo.stills import find_stills
from read_core.errors import InputError

from .conftest import mouths, moving


@pytest.fixture(scope="module")
def drawn(scene):
    return scene.draw()


def test_the_record_is_that_of_a_drawn_scene(scene, drawn):
    frames = 9
    assert {name: (tuple(value.shape), value.dtype) for name, value in drawn.items()} == {
        "frames": ((frames, scene.size, scene.size, 3), torch.uint8),
        "waveform": ((frames * 640,), torch.int16),
        "mouth": ((frames, 3), torch.float32),
        "boxes": ((frames, 4), torch.float32),
        "eyes": ((frames, 2, 4), torch.float32),
        "blink": ((frames,), torch.float32),
    }
    for box in (drawn["boxes"], *drawn["eyes"].unbind(1)):
        assert (box[:, :2] < box[:, 2:]).all()
        assert (box > 0).all()
        assert (box < scene.size).all()
    left, right = drawn["eyes"].unbind(1)
    assert (left[:, 2] < right[:, 0]).all()
    assert (left[:, 3] < drawn["boxes"][:, 1]).all()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(scene, drawn):
    again, other = scene.draw(), replace(scene, seed=4).draw()
    assert all(torch.equal(value, again[name]) for name, value in drawn.items())
    assert not torch.equal(drawn["frames"], other["frames"])
    assert not torch.equal(drawn["waveform"], other["waveform"])


def test_frame_zero_is_the_portrait(scene, drawn):
    """It is the crop of the portrait alone, whatever is said."""
    for seed in (3, 5):
        made = replace(scene, seed=seed, seconds=1 / 25).draw()
        first = made["frames"][0]
        still = replace(scene, seed=seed)
        puppet, _ = load_puppet(pick_still(still), still, random.Random(key(still)))
        alone = render_puppet(puppet, moving(1), mouths((0, 0, 0)), scene.size)[0]
        assert (first / 255 - alone).abs().max() < 0.1
        assert (first / 255 - alone).square().mean() < 1e-4


def key(scene):
    from read_core.corpus.photo.scene import _key

    return _key("photo", scene)


def test_the_crop_has_the_layout_with_a_little_play(scene):
    (still,) = find_stills(scene.faces, "test")
    for layout in ((0.28, 0.36, 0.66), (0.34, 0.34, 0.68)):
        found = []
        for seed in range(12):
            one = replace(scene, seed=seed, layout=layout)
            _, landmarks = load_puppet(still, one, random.Random(seed))
            found.append(eyes_and_mouth(landmarks))
        left, right, mouth = torch.stack(found).unbind(1)
        distance, eyes, height = layout
        assert ((right - left).norm(dim=-1) / distance).log().abs().max() < 0.16
        assert float((right - left).norm(dim=-1).std()) > 0.002
        assert ((left + right) / 2)[:, 1].mean() == pytest.approx(eyes, abs=0.025)
        assert mouth[:, 1].mean() == pytest.approx(height, abs=0.025)
        roll = torch.atan2(right[:, 1] - left[:, 1], right[:, 0] - left[:, 0])
        assert roll.abs().max() < np.radians(5)


def test_the_crop_shows_the_portrait_where_its_landmarks_say(scene, loaded):
    """The iris is dark, the cheek is not."""
    puppet, landmarks = loaded
    frame = render_puppet(puppet, moving(1), mouths((0, 0, 0)), scene.size)[0].mean(-1)
    for pupil, cheek in ((468, 50), (473, 280)):
        (x, y), (cx, cy) = ((landmarks[i, :2] * scene.size).long() for i in (pupil, cheek))
        assert frame[y, x] < 0.7 * frame[cy, cx]


def test_all_portraits_come_up_before_one_comes_again(tmp_path, scene):
    folder = tmp_path / "faces"
    shutil.copytree(scene.faces, folder)
    names = [f"a-{i}.jpg" for i in range(20, 25)]
    (folder / "index.json").write_text(json.dumps([{"file": name, "lip_gap": 0.0} for name in names]))
    np.save(folder / "landmarks.npy", np.repeat(np.load(scene.faces / "landmarks.npy")[:1], 5, axis=0))
    many = replace(scene, faces=folder, split="train")
    picked = [pick_still(replace(many, seed=seed)).path.name for seed in range(10)]
    assert sorted(picked[:5]) == sorted(picked[5:]) == names


def test_the_track_begins_at_the_stills_own_lips(puppet):
    track = torch.full((12, 3), 0.4)
    closed = from_rest(track, puppet)
    assert closed[0].abs().max() < 0.05
    assert torch.equal(closed[9:], track[9:])
    assert torch.equal(track, torch.full((12, 3), 0.4))  # the given one is left alone


def test_dark_glasses_do_not_blink(monkeypatch, scene):
    from read_core.corpus.photo import puppet as puppets

    long = replace(scene, seconds=5.0, size=32)
    assert long.draw()["blink"].max() > 0.9
    monkeypatch.setattr(puppets, "_covered", lambda *_: True)
    assert long.draw()["blink"].max() == 0


def test_errors_come_before_the_work(tmp_path, scene):
    with pytest.raises(InputError, match="portraits"):
        build_corpus(tmp_path / "out", replace(scene, faces=tmp_path), 1)
    assert not (tmp_path / "out" / "test").exists()


def test_a_corpus_of_photographs_is_written(tmp_path, scene, drawn):
    (file,) = build_corpus(tmp_path, scene, 1)
    assert file.name == "photo-babble-000003.safetensors"
    from safetensors.torch import load_file

    assert torch.equal(load_file(file)["frames"], drawn["frames"])
