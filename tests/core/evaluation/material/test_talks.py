"""Talks: where faces are, whose they are, and what is known of them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.material.talks import TalkSource, closed_stills
from read_core.face.alignment import FaceLayout

LAYOUT = FaceLayout()


def test_a_presenter_stands_where_the_layout_wants_it(talk):
    assert talk.frames.shape == (73, 128, 128, 3)
    assert talk.waveform.shape == (73 * 640,)
    assert (len(talk.mouth), len(talk.phonemes), len(talk.blink)) == (73, 146, 73)
    wanted = LAYOUT.points((128, 128)) * 128
    assert (talk.points - wanted).norm(dim=1).max() < 0.05 * 128


def test_without_a_layout_presenters_fill_frames_of_the_checkpoint_s_shape():
    source = TalkSource("test", 9, (64, 96), None, ("babble",), 128)
    assert source.presenter(0, "babble").frames.shape == (9, 128, 192, 3)
    assert TalkSource("test", 9, (64, 96), LAYOUT, ("babble",), 128).size == (128, 128)
    assert TalkSource("test", 9, (256, 256), LAYOUT, ("babble",), 128).size == (256, 256)


def test_photographs_are_those_of_the_split_and_show_themselves_first(faces):
    source = TalkSource("test", 25, (64, 64), LAYOUT, ("babble",), 64)
    (order,) = source.photographs(faces)
    talk = source.draw(order)
    assert order.name == talk.name
    assert (talk.name, talk.face, talk.kind, talk.covered) == (
        "nobody-00000",
        "nobody-00000.jpg",
        "photographs",
        False,
    )
    again = source.draw(source.photographs(faces, 1)[0])
    assert torch.equal(again.pixels, talk.pixels)
    assert (talk.points - LAYOUT.points((64, 64)) * 64).norm(dim=1).max() < 0.06 * 64
    moved = (talk.frames - talk.portrait).abs().mean((1, 2, 3))
    opened = talk.mouth[:, 0].argmax()
    left, top, right, bottom = talk.boxes[opened].round().int().tolist()
    lips = (talk.frames[opened] - talk.portrait)[top:bottom, left:right].abs().mean()
    assert lips > 1.5 * moved[opened]


def test_speakers_take_turns_and_open_mouths_are_left_out(faces, tmp_path):
    folder = tmp_path / "portraits"
    (folder / "images").mkdir(parents=True)
    entries = []
    for number, gap in ((0, 0.0), (1, 0.3), (2, 0.05)):
        shutil.copy(faces / "images" / "nobody-00000.jpg", folder / "images" / f"face-{number:05d}.jpg")
        entries.append({"file": f"face-{number:05d}.jpg", "lip_gap": gap})
    (folder / "index.json").write_text(json.dumps(entries))
    np.save(folder / "landmarks.npy", np.repeat(np.load(faces / "landmarks.npy")[:1], 3, axis=0))
    assert [still.path.stem for still in closed_stills(folder, "test")] == ["face-00000", "face-00002"]
    source = TalkSource("test", 9, (64, 64), LAYOUT, ("babble", "babble"), 64)
    talks = [source.draw(order) for order in source.photographs(folder)]
    assert [talk.face for talk in talks] == ["face-00000.jpg", "face-00002.jpg"]
    assert not torch.equal(talks[0].mouth, talks[1].mouth)
    with pytest.raises(InputError, match="split validation"):
        closed_stills(folder, "validation")
