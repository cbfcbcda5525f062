"""Above the mouth the portrait, below the frame, a soft change between; only for heads that keep still."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.face.alignment import FaceLayout
from read_core.finish import Finishing, still_head
from read_core.head.still import StillHead
from read_core.pipeline import ReadPipeline
from read_core.records import Reference

SIZE = 128
POINTS = torch.tensor([[0.36, 0.36], [0.64, 0.36], [0.50, 0.66]])


def rows(height: float) -> int:
    """The row of the frames at a height on the face, 0 at the eyes and 1 at the mouth."""
    return round((0.36 + height * 0.30) * SIZE)


def test_eyes_are_the_portraits_and_the_mouth_is_the_frames():
    portrait, frames = torch.rand(SIZE, SIZE, 3), torch.rand(2, SIZE, SIZE, 3)
    found = StillHead(POINTS, portrait).hold(frames)
    assert torch.equal(found[:, : rows(0.3) - 1], portrait[: rows(0.3) - 1].expand(2, -1, -1, -1))
    torch.testing.assert_close(found[:, rows(0.6) + 1 :], frames[:, rows(0.6) + 1 :])
    between = StillHead(POINTS, torch.ones(SIZE, SIZE, 3)).hold(torch.zeros(1, SIZE, SIZE, 3))[0, :, 64, 0]
    steps = between[:-1] - between[1:]
    assert (steps >= 0).all()
    assert 0.02 < float(steps.max()) < 0.2


def test_a_tilted_face_is_divided_along_its_own_axis():
    """A face that lies on its side: the mouth is right of the eyes."""
    points = torch.tensor([[0.36, 0.64], [0.36, 0.36], [0.66, 0.50]])
    found = StillHead(points, torch.ones(SIZE, SIZE, 3)).hold(torch.zeros(1, SIZE, SIZE, 3))[0, ..., 0]
    assert (found[:, : rows(0.3) - 1] == 1).all()
    assert (found[:, rows(0.6) + 1 :] == 0).all()


@pytest.mark.parametrize("lacking", ["still_head", "points", "decoded"])
def test_only_still_heads_with_a_known_face_are_held(tiny_components, lacking):
    card = replace(tiny_components.card, still_head=lacking != "still_head")
    picture = torch.rand(64, 64, 3)
    reference = Reference(
        torch.zeros(1, 8, 1, 2, 2),
        picture,
        (0, 0, 64, 64),
        decoded=None if lacking == "decoded" else picture,
        points=None if lacking == "points" else POINTS,
    )
    assert still_head(card, reference) is None


def test_a_pipeline_of_a_still_head_holds_it(tiny_components):
    card = replace(tiny_components.card, face=FaceLayout(), still_head=True)
    pipe = ReadPipeline(replace(tiny_components, card=card))
    picture = torch.rand(64, 64, 3)
    reference = Reference(
        torch.zeros(1, 8, 1, 2, 2), picture, (0, 0, 64, 64), portrait=picture, decoded=picture, points=POINTS
    )
    restored = Finishing(detail=True, paste_back=False, head_motion=False)
    frames = torch.rand(3, 64, 64, 3)
    found = torch.cat(list(pipe.finish(reference, None, restored)(frames)))
    torch.testing.assert_close(found[:, :20], picture[:20].expand(3, -1, -1, -1))
    plain = replace(restored, detail=False)
    assert torch.equal(torch.cat(list(pipe.finish(reference, None, plain)(frames))), frames)
    moving = ReadPipeline(replace(tiny_components, card=replace(card, still_head=False)))
    others = torch.cat(list(moving.finish(reference, None, restored)(frames)))
    assert float((others[:, :20] - picture[:20]).abs().mean()) > 0.1
