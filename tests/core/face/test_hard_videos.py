"""From a photograph that is hard to use to frames of the result, with detail and paste-back."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from read_core.errors import ReadWarning
from read_core.face.alignment import FaceLayout
from read_core.finish import Finishing
from read_core.media import read_image
from read_core.pipeline import ReadPipeline

from .test_hard_pictures import SAID

SIZE = (64, 64)


@pytest.fixture(scope="module")
def pipe(tiny_components):
    return ReadPipeline(replace(tiny_components, card=replace(tiny_components.card, face=FaceLayout())))


def result(pipe, image, reference, frames, **choices):
    return torch.cat(list(pipe.finish(reference, image, Finishing(**choices))(frames)))


@pytest.mark.parametrize("name", SAID)
def test_a_still_face_is_the_picture_and_a_moved_one_leaves_the_rest(pipe, hard_photographs, name):
    picture = hard_photographs[name]
    image = read_image(picture.path)
    height, width = (side // 2 * 2 for side in image.shape[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        reference = pipe.encode_reference(image, SIZE, find=lambda _: SimpleNamespace(points=picture.faces))
    still = reference.decoded[None]
    moved = torch.stack([still[0].roll(2, dims=0), torch.rand(*SIZE, 3)])
    kept = image[:height, :width]

    (same,) = result(pipe, image, reference, still)
    assert same.shape == kept.shape
    assert float((same - kept).abs().mean()) < 0.01
    pictures = result(pipe, image, reference, moved)
    left, top, right, bottom = (
        max(0, edge + beyond) for edge, beyond in zip(reference.box, (-1, -1, 1, 1), strict=True)
    )
    outside = torch.ones(height, width, dtype=torch.bool)
    outside[top:bottom, left:right] = False
    assert torch.isfinite(pictures).all()
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1
    assert all(torch.equal(frame[outside], kept[outside]) for frame in pictures)
    (alone,) = result(pipe, image, reference, still, paste_back=False)
    assert alone.shape == reference.portrait.shape
    assert float((alone - reference.portrait).abs().mean()) < 0.01
