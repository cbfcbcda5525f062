"""Reading faces in videos against the truth of drawn presenters, wherever the face is in the picture."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import eye_boxes, mouth_box, render
from read_core.corpus.motion import sample_motion
from read_core.corpus.photo.scene import PhotoScene
from read_core.errors import InputError
from read_core.evaluation.metrics.face import FaceTracks, count_blinks, read_face
from read_core.evaluation.metrics.sync import correlation
from read_core.face.finder import WEIGHTS as FINDER
from read_core.face.finder import Faces
from read_core.mouth.face_reader import WEIGHTS, box_places

FRAMES = 60


def faces(points):
    """A finder's answer: one face at points (3, 2), or none."""
    count = 0 if points is None else 1
    return Faces(
        torch.zeros(count, 4), torch.zeros(0, 3, 2) if points is None else points[None], torch.ones(count)
    )


def nobody(image):
    return faces(None)


@pytest.fixture(scope="module", params=[3, 8])
def talk(request):
    """Frames, the true opening and blink, and where eyes and mouth are in each frame, (F, 3, 2) pixels."""
    time = torch.arange(FRAMES) / 25
    opening = (0.5 + 0.5 * torch.sin(2 * math.pi * 1.3 * time)) * (torch.sin(2 * math.pi * 0.4 * time) > -0.3)
    track = torch.stack([opening, torch.zeros(FRAMES), torch.zeros(FRAMES)], dim=1)
    blink = torch.zeros(FRAMES)
    for start in (12, 40):
        blink[start : start + 6] = torch.tensor([0.5, 1.0, 1.0, 0.7, 0.3, 0.1])
    motion = dataclasses.replace(sample_motion(request.param, FRAMES), blink=blink)
    presenter = sample_presenter(request.param, "test")
    frames = render(presenter, motion, track, 128)
    points = box_places(eye_boxes(presenter, motion), mouth_box(presenter, motion))
    points[:, 2, 1] -= 0.14 * (points[:, 1, 0] - points[:, 0, 0])  # from the box to the corners
    return frames, opening, blink, points


def finder(points):
    """Finds one face after the other in points (F, 3, 2)."""
    answers = iter(points)
    return lambda image: faces(next(answers))


def tracks(frames, find=None) -> FaceTracks:
    """What is read of frames that show a face."""
    found = read_face(frames, find)
    assert found is not None
    return found


def test_mouth_and_lids_agree_with_the_truth(talk):
    frames, opening, blink, points = talk
    read = tracks(frames, finder(points))
    assert correlation(read.mouth[:, 0], opening) > 0.9
    assert correlation(read.blink, blink) > 0.85
    assert read.blinks() == 2
    assert read.mouth.shape == (FRAMES, 3)
    assert read.lids.shape == (FRAMES, 2)


def test_a_photograph_s_mouth_and_lids_agree_with_the_truth(photographs):
    scene = PhotoScene(0, "test", 1.8, 128, photographs, "babble")
    drawn = scene.draw()
    points = box_places(drawn["eyes"], drawn["boxes"])
    points[:, 2, 1] -= 0.14 * (points[:, 1, 0] - points[:, 0, 0])
    read = tracks(drawn["frames"].float() / 255, finder(points))
    assert correlation(read.mouth[:, 0], drawn["mouth"][:, 0]) > 0.9


def test_a_face_elsewhere_turned_and_larger_reads_alike(talk):
    frames, points = talk[0][:10], talk[3][:10]
    angle, size = 0.3, 300
    matrix = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    theta = torch.cat([1.3 * matrix, torch.tensor([[0.2], [-0.1]])], dim=1)
    grid = F.affine_grid(theta.expand(10, 2, 3), [10, 3, size, size], align_corners=False)
    placed = F.grid_sample(frames.permute(0, 3, 1, 2), grid, padding_mode="border", align_corners=False)
    there = ((points / 64 - 1 - theta[:, 2]) @ torch.linalg.inv(theta[:, :2]).T + 1) * size / 2
    read, moved = tracks(frames, finder(points)), tracks(placed.permute(0, 2, 3, 1), finder(there))
    torch.testing.assert_close(moved.mouth[:, 0], read.mouth[:, 0], atol=0.15, rtol=0)
    assert (moved.lids - read.lids).abs().max() < 0.25


def test_where_no_face_is_found_it_is_where_it_was_or_at_first_will_be(talk):
    frames, _, _, points = talk
    held = [points[1], points[1], points[1], points[3]]
    read = tracks(frames[:4], finder([None, points[1], None, points[3]]))
    assert torch.equal(read.mouth, tracks(frames[:4], finder(held)).mouth)


def test_the_same_face_is_followed_where_there_are_several(talk):
    frames, _, _, points = talk
    other = points + 60.0

    def two(first, second):
        return Faces(torch.zeros(2, 4), torch.stack([first, second]), torch.ones(2))

    answers = iter([two(points[0], other[0]), two(other[1], points[1]), two(points[2], other[2])])
    read = tracks(frames[:3], lambda image: next(answers))
    assert torch.equal(read.mouth, tracks(frames[:3], finder(points)).mouth)


@pytest.mark.skipif(not FINDER.is_file(), reason="the face finder's weights are not there")
def test_the_bundled_finder_finds_a_drawn_face(talk):
    frames, opening, _, _ = talk
    assert correlation(tracks(frames).mouth[:, 0], opening) > 0.9


def test_no_face_is_no_track(talk):
    assert read_face(talk[0], nobody) is None
    assert read_face(torch.zeros(0, 64, 64, 3), nobody) is None


def test_anything_but_frames_is_refused():
    with pytest.raises(InputError, match="frames"):
        read_face(torch.zeros(2, 3, 64, 64), nobody)


@pytest.mark.parametrize(
    ("lids", "count"),
    [
        ([0, 0, 1, 1, 0, 0, 0, 0.9, 0, 0], 2),
        ([0, 0, 0.9, 0.4, 0.9, 0, 0, 0, 0], 1),  # it does not open between
        ([0.3, 0.3, 0.3, 0.6, 0.3, 0.3], 0),  # narrow eyes
        ([0.3, 0.3, 0.3, 0.9, 0.3, 0.3], 1),
        ([], 0),
    ],
)
def test_blinks_are_counted_from_where_the_lids_mostly_are(lids, count):
    assert count_blinks(torch.tensor(lids)) == count


def test_the_weights_are_small():
    assert WEIGHTS.stat().st_size < 300_000
