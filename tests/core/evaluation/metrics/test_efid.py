"""What E-FID sees: the standard face where Deep3DFaceRecon puts it, and one face of each frame."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.evaluation.metrics.efid import aligned_faces, score_efid, standard_crop
from read_core.evaluation.metrics.frechet import Moments
from read_core.face.finder import Faces

# The eyes and the middle of the mouth's corners of the standard face, with y up.
FACE = torch.tensor([[-0.31148657, 0.29036078], [0.30979887, 0.28972036], [-0.00185149, -0.38131]])


def placed(scale, angle, x, y):
    """The standard face in a picture: turned, scaled and moved, y down."""
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return scale * (FACE * torch.tensor([1.0, -1.0])) @ turn + torch.tensor([x, y])


def test_an_upright_face_is_102_pixels_to_the_unit_from_the_middle():
    crop = standard_crop(placed(50, 0, 200, 90))
    eye = crop.to_crop(placed(50, 0, 200, 90)[0]) * 224
    assert eye.tolist() == pytest.approx([112 - 102 * 0.31148657, 112 - 102 * 0.29036078], abs=0.01)


def test_a_turned_face_has_the_same_size_and_center_and_stays_turned():
    crop = standard_crop(placed(50, 0.4, 200, 90))
    assert (crop.x, crop.y) == pytest.approx((200, 90), abs=0.01)
    assert crop.width == crop.height == pytest.approx(50 * 224 / 102, abs=0.01)
    assert crop.roll == 0


def test_frames_without_a_face_are_left_out_and_the_nearest_face_is_followed():
    near, far = placed(30, 0, 40, 60), placed(30, 0, 160, 60)
    answers = iter([[near], [], [far, near]])

    def find(picture):
        found = next(answers)
        points = torch.stack(found) if found else torch.zeros(0, 3, 2)
        return Faces(torch.zeros(len(found), 4), points, torch.ones(len(found)))

    frame = torch.zeros(120, 200, 3, dtype=torch.uint8)
    frame[:, 100:] = 255
    faces = list(aligned_faces([frame] * 3, find))
    assert [face.shape for face in faces] == [(224, 224, 3)] * 2
    assert all(float(face[:, :200].mean()) < 0.05 for face in faces)


def test_a_shift_by_d_costs_its_square():
    real = torch.randn(30, 64, generator=torch.Generator().manual_seed(0))
    figures = score_efid(*(Moments.empty(64).with_batch(faces) for faces in (real + 0.5, real)))
    assert figures.efid == pytest.approx(64 / 4, rel=1e-5)
    assert (figures.faces, figures.real_faces) == (30, 30)
