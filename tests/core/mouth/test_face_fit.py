"""Fitting the reader of faces: what it learns from, and weights that come out the same again."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from read_core.errors import InputError
from read_core.mouth.face_examples import GROUP, FaceExamples, draw_faces, portraits_of
from read_core.mouth.face_fit import (
    FaceFitSettings,
    draw_batch,
    fit_face_reader,
    train_face_reader,
    value_loss,
)
from read_core.mouth.face_reader import FaceReader
from read_core.mouth.reader import SIDE

SETTINGS = FaceFitSettings(drawn=2, steps=4, batch=2)


@pytest.fixture(scope="module")
def examples(photographs):
    return draw_faces(2, 1, photographs, "train", 0)


def test_photographs_and_drawn_faces_with_eyes_above_the_mouth(examples):
    assert examples.pictures.shape == (3, GROUP, 3, SIDE, SIDE)
    left, right, mouth = examples.places.unbind(2)
    assert bool((left[..., 0] < right[..., 0]).all())
    assert bool((mouth[..., 1] > torch.maximum(left[..., 1], right[..., 1])).all())
    assert examples.values[..., 0].min() >= 0
    assert examples.values[..., 0].max() > 0.3


def test_the_first_pose_of_a_photograph_shows_it_as_it_is(examples):
    values = examples.values[:2, :2]
    assert torch.equal(values[..., 1:3], torch.zeros(2, 2, 2))
    assert torch.equal(values[..., 3:].nan_to_num(), torch.zeros(2, 2, 2))
    assert torch.equal(examples.pictures[:2, 0], examples.pictures[:2, 1])


def test_an_open_mouth_and_shut_lids_are_seen_in_the_pictures(examples):
    """Two pictures of one pose differ most where the tracks differ most."""
    for part, column in ((2, 0), (0, 3), (1, 4)):
        seen, told = [], []
        for face in range(3):
            for pose in range(0, GROUP, 2):
                x, y = ((examples.places[face, pose, part] + 1) * SIDE / 2).long().tolist()
                one, two = examples.pictures[face, pose : pose + 2, :, y - 4 : y + 5, x - 4 : x + 5].float()
                values = examples.values[face, pose : pose + 2, column].nan_to_num()
                seen.append(float((one - two).abs().mean()))
                told.append(float((values[0] - values[1]).abs()))
        assert torch.corrcoef(torch.tensor([seen, told]))[0, 1] > 0.4


def test_each_seed_has_its_half_of_the_portraits(photographs, tmp_path):
    names = [f"face-{number:05d}.jpg" for number in (0, 16, 17, 18, 19)]
    index = [{"file": name, "lip_gap": 0.0} for name in names]
    (tmp_path / "index.json").write_text(json.dumps(index))
    np.save(tmp_path / "landmarks.npy", np.load(photographs / "landmarks.npy")[[0] * 5])
    halves = [{still.path.name for still in portraits_of(tmp_path, "train", seed)} for seed in (0, 1, 2)]
    assert halves[0] | halves[1] == set(names[1:])
    assert not halves[0] & halves[1]
    assert halves[1] == halves[2]
    assert [still.path.name for still in portraits_of(tmp_path, "test", 1)] == names[:1]


def test_photographs_without_a_folder_are_refused():
    with pytest.raises(InputError, match="folder"):
        draw_faces(1, 0, None, "train", 0)


def test_places_follow_what_moves_in_a_batch():
    """A red, a green and a blue blob in the places of eyes and mouth."""
    places = torch.tensor([[-0.3, -0.25], [0.25, -0.2], [0.0, 0.3]])
    steps = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    squares = (steps[None, None, :] - places[:, 0, None, None]) ** 2 + (
        steps[None, :, None] - places[:, 1, None, None]
    ) ** 2
    picture = (255 * torch.exp(-squares / (2 * 0.06**2))).to(torch.uint8)
    examples = FaceExamples(
        picture.expand(1, GROUP, 3, SIDE, SIDE), torch.zeros(1, GROUP, 5), places.expand(1, GROUP, 3, 2)
    )
    mirrored = 0
    for seed in range(8):
        for shown, _, (left, right, mouth) in zip(
            *draw_batch(examples, 2, torch.Generator().manual_seed(seed)), strict=True
        ):
            assert left[0] < right[0]
            flipped = int(at(shown, left).argmax() == 1)
            mirrored += flipped
            expected = (1, 0, 2) if flipped else (0, 1, 2)
            for place, channel in zip((left, right, mouth), expected, strict=True):
                assert int(at(shown, place).argmax()) == channel
    assert 0 < mirrored < 64


def at(picture, place):
    """Mean color of 5 x 5 pixels."""
    x, y = ((place + 1) * SIDE / 2).long().tolist()
    return picture[:, y - 2 : y + 3, x - 2 : x + 3].mean((1, 2))


def test_what_varies_about_a_face_counts_more_than_its_mean_and_unseen_values_not_at_all():
    values = torch.zeros(4, 5)
    values[:, 3:] = torch.nan
    alike, varied = torch.zeros(4, 5), torch.zeros(4, 5)
    alike[:, 0] = 0.1
    varied[:, 0] = torch.tensor([0.1, -0.1, 0.1, -0.1])
    unseen = torch.zeros(4, 5)
    unseen[:, 3:] = 1.0
    assert value_loss(varied, values, 2) > value_loss(alike, values, 2) > 0
    assert value_loss(unseen, values, 2) == 0


def test_the_same_settings_give_the_same_weights(tmp_path):
    fit_face_reader(tmp_path / "a.safetensors", SETTINGS)
    fit_face_reader(tmp_path / "b.safetensors", SETTINGS)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    weights = load_file(tmp_path / "a.safetensors")
    FaceReader().load_state_dict(weights)
    assert {value.dtype for value in weights.values()} == {torch.float16}


def test_training_reduces_the_error(examples, tmp_path):
    first = train_face_reader(examples, tmp_path / "w.safetensors", FaceFitSettings(steps=4, batch=2))
    later = train_face_reader(examples, tmp_path / "w.safetensors", FaceFitSettings(steps=150, batch=2))
    assert later < 0.8 * first
