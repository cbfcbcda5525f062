"""Portraits of the material are framed already: no face is looked for, whatever the checkpoint wants."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch

from read_core.errors import ReadWarning
from read_core.evaluation.material.videos import encode_framed
from read_core.face.alignment import FaceLayout
from read_core.pipeline import ReadPipeline


@pytest.mark.parametrize("layout", [None, FaceLayout(0.34, 0.4, 0.72)])
@pytest.mark.parametrize("shape", [(64, 64), (64, 96), (96, 64)])
def test_a_portrait_is_encoded_as_it_is(tiny_components, layout, shape):
    card = replace(tiny_components.card, face=layout, resolution=shape)
    pipe = ReadPipeline(replace(tiny_components, card=card))
    portrait = torch.rand(*shape, 3, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        reference = encode_framed(pipe, portrait, shape)
    torch.testing.assert_close(reference.image, portrait)
    if layout is not None:
        torch.testing.assert_close(reference.points, layout.points(shape))
