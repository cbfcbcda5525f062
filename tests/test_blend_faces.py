"""The recipes of the photographs of nobody and what they made; the portraits themselves are not here."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from blend_faces import ASSETS, LARGEST_WEIGHT, LEAST, SIZE, Canvas, read_blends, spline, to_linear, to_srgb
from PIL import Image

from read_core.corpus.photo.stills import split_of

BLENDS = read_blends(ASSETS / "faces" / "blends.json")


@pytest.mark.parametrize("blend", BLENDS, ids=lambda blend: blend.file)
def test_no_portrait_makes_a_face(blend):
    weights = [source.weight for source in blend.sources if "face" in source.parts]
    assert len(weights) >= LEAST >= 4
    assert max(weights) / sum(weights) <= LARGEST_WEIGHT <= 0.4
    assert all(split_of(source.file) == "test" for source in blend.sources)
    assert len({source.file for source in blend.sources}) == len(blend.sources)
    assert len({len(source.outline) for source in blend.sources}) == 1


def test_every_recipe_has_its_picture(photographs, photograph):
    index = json.loads((photographs / "index.json").read_text())
    assert [entry["file"] for entry in index] == [blend.file for blend in BLENDS]
    for blend in BLENDS:
        assert Image.open(photographs / "images" / blend.file).size == (SIZE[0] // 2, SIZE[1] // 2)
    large = Image.open(photograph)
    assert large.size == SIZE
    half = np.asarray(large.resize((SIZE[0] // 2, SIZE[1] // 2), Image.Resampling.LANCZOS)).astype(float)
    small = np.asarray(Image.open(photographs / "images" / BLENDS[0].file)).astype(float)
    assert np.abs(half - small).mean() < 2


def test_licenses_of_the_sources_are_there(photographs):
    for name in ("LICENSE.SFHQ", "LICENSE.SFHQ-T2I"):
        assert "Permission is hereby granted" in (photographs / name).read_text()


def test_a_spline_of_an_affine_map_is_that_map():
    landmarks = torch.rand(478, 2, generator=torch.Generator().manual_seed(0)) * 200 + 50
    outline = torch.tensor([[60.0, 280.0], [60.0, 150.0], [160.0, 20.0], [260.0, 150.0], [260.0, 280.0]])
    canvas = Canvas(BLENDS[0], landmarks, outline)
    matrix = torch.tensor([[1.1, 0.2], [-0.1, 0.9]])
    found = spline(landmarks, landmarks @ matrix.T + 5, canvas)
    error = found - (canvas.places @ matrix.T + 5)
    assert error[8:-8, 8:-8].abs().max() < 0.2  # of a pixel of a portrait


def test_linear_light_and_back():
    picture = torch.linspace(0, 1, 101)
    assert torch.allclose(to_srgb(to_linear(picture)), picture, atol=1e-5)
    assert float(to_linear(torch.tensor(0.5))) == pytest.approx(0.2140, abs=1e-4)
