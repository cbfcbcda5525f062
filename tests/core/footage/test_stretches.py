"""Where a shot becomes items, from what was seen of it."""

from __future__ import annotations

import pytest
import torch

from read_core.face.alignment import FaceLayout
from read_core.face.finder import Faces
from read_core.footage.stretches import EVERY, Look, divided, look, spans_of_shot

FRAME, SIZE, LAYOUT = (240, 320), 128, FaceLayout()
FRAMES = (25, 25, 49)
POINTS = LAYOUT.points((SIZE, SIZE)) * SIZE + torch.tensor([90.0, 60.0])  # a crop of 128 pixels inside


def looks(count, points=lambda _: POINTS, reason=lambda _: ""):
    return [Look(i, None if reason(i) else points(i), reason(i)) for i in range(0, count, EVERY)]


def spans(count, seen, size=SIZE):
    return spans_of_shot((0, count), seen, FRAME, size, LAYOUT, FRAMES)


def faces(*sides):
    boxes = torch.tensor([[10.0, 10, 10 + side, 10 + side] for side in sides]).reshape(-1, 4)
    return Faces(boxes, POINTS.expand(len(sides), 3, 2), torch.ones(len(sides)))


def test_a_steady_face_gives_items_whose_crop_is_its_alignment():
    (item,) = spans(33, looks(33))
    assert (item.start, item.stop) == (0, 33)
    assert (item.crop.x, item.crop.y, item.crop.width) == pytest.approx((90 + 64, 60 + 64, 128), abs=0.01)


def test_a_long_shot_is_cut_into_as_few_equal_items_as_fit():
    for count in range(25, 400):
        parts = divided(0, count, FRAMES)
        lengths = {stop - start for start, stop in parts}
        assert len(lengths) == 1
        length = lengths.pop()
        assert 25 <= length <= 49
        assert length % 8 == 1
        assert parts[-1][1] <= count
        assert count - parts[-1][1] < 8 * len(parts) + (25 if count < 58 else 0)


def test_a_stretch_shorter_than_an_item_is_one_item_from_one_clip_on():
    for count in range(100, 260):
        ((start, stop),) = divided(7, 7 + count, (121, 257, 497))
        kept = stop - start
        assert start == 7
        assert kept == (count if count < 121 else max(n for n in range(1, count + 1, 8)))
    assert divided(0, 497 + 121, (121, 257, 497)) == [(0, 305), (305, 610)]


def test_what_is_too_short_says_how_long_it_is():
    (span,) = spans(20, looks(20))
    assert span.crop is None
    assert "0.8 s" in span.reason


def test_a_gap_without_a_face_ends_a_stretch():
    seen = looks(120, reason=lambda i: "no face" if 30 <= i < 80 else "")
    found = spans(120, seen)
    assert [(one.start, one.stop, one.reason) for one in found if one.crop is None] == [(30, 80, "no face")]
    assert [one.crop is None for one in found] == [False, True, False]
    assert sum(one.stop - one.start for one in found) > 100


def test_a_look_that_missed_the_face_does_not():
    (item,) = spans(49, looks(49, reason=lambda i: "no face" if i == 20 else ""))
    assert item.crop is not None


def test_a_leap_to_another_place_ends_a_stretch():
    moved = POINTS + torch.tensor([40.0, 0.0])
    found = spans(66, looks(66, points=lambda i: POINTS if i < 33 else moved))
    assert [one.crop is not None for one in found] == [True, True]
    assert found[1].crop.x - found[0].crop.x == pytest.approx(40, abs=0.01)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (lambda i: POINTS + torch.tensor([1.2 * i, 0.0]), "the face moves"),
        (lambda i: 154 + (POINTS - 154) * (1 + 0.016 * i), "changes its size"),
        (lambda _: 120 + (POINTS - 120) * 0.4, "the face is small: 51 pixels would become 128"),
        (lambda _: POINTS - torch.tensor([70.0, 50.0]) - 30, "outside the picture"),
    ],
)
def test_why_a_face_is_left_out(points, reason):
    (span,) = spans(49, looks(49, points=points))
    assert span.crop is None
    assert reason in span.reason


def test_a_second_face_counts_if_it_is_large():
    assert look(0, faces(100, 40)).reason == ""
    assert look(0, faces(100, 60)).reason == "more than one face"
    assert look(0, faces()).reason == "no face"
