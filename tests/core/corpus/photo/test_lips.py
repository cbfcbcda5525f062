"""Lips: how far they part, and what moves with them."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.photo.puppet import render_puppet

from .conftest import SIZE, grid, mouths, moving, places

FOREHEAD, NOSE_TIP, CHIN, PHILTRUM, LOWER_LIP = 151, 4, 152, 164, 17
LARGE = 192


@pytest.fixture
def dry(monkeypatch):
    """Lips without shading, so that only the inside of the mouth is dark."""
    monkeypatch.setattr("read_core.corpus.photo.puppet.wet_rim", lambda lips: torch.ones_like(lips.u))


def hole(white, *rows, size=LARGE):
    """(F, H, W) bool: where the inside of the mouth is seen."""
    return render_puppet(white, moving(len(rows)), mouths(*rows), size).amin(-1) < 0.97


def source(ramp, point, row):
    """How far the content at a point of the mesh has moved, (2,), for one shape of the mouth."""
    frame = places(render_puppet(ramp, moving(1), mouths(row), LARGE))[0]
    x, y = (ramp.face.points[point] * LARGE).long()
    return (grid(LARGE) - frame)[y, x]


@pytest.mark.parametrize("rounding", [0.0, 1.0])
@pytest.mark.usefixtures("dry")
def test_lips_part_by_what_opening_says(white, rounding):
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    found = hole(white, *[(opened, 0.0, rounding) for opened in steps])
    column = round(float(white.face.mouth.axes.origin[0]) * LARGE)
    heights = found[:, :, column].sum(1).float()
    whole = white.opening * white.face.eye_distance * LARGE * (1 - 0.25 * rounding)
    for opened, height in zip(steps, heights, strict=True):
        assert height == pytest.approx(opened * whole, abs=2.0)


@pytest.mark.parametrize("shape", [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0)])
def test_closed_lips_show_nothing_between_them(white, shape):
    assert not hole(white, (0.0, *shape)).any()


@pytest.mark.usefixtures("dry")
def test_the_mouth_gets_wider_and_narrower(white):
    found = hole(white, (0.5, 0, 0), (0.5, 1, 0), (0.5, -1, 0), (0.5, 0, 1))
    neutral, wide, thin, round_ = found.any(1).sum(-1).float()
    assert wide / neutral == pytest.approx(1.13, abs=0.05)
    assert thin / neutral == pytest.approx(0.86, abs=0.05)
    assert round_ / neutral == pytest.approx(0.66, abs=0.05)


def test_lips_turn_inwards_only_where_they_part(white):
    """Darker beside the opening than a little farther away; nowhere while the lips are closed."""
    closed, opened = render_puppet(white, moving(2), mouths((0, 0, 0), (1, 0, 0)), LARGE).amin(-1)
    assert (closed > 0.99).all()
    column = round(float(white.face.mouth.axes.origin[0]) * LARGE)
    below = opened[:, column]
    last = int((below < 0.6).nonzero().max())
    assert below[last + 1] < 0.97
    assert below[last + 8] > 0.99


@pytest.mark.usefixtures("dry")
def test_the_inside_is_darker_than_the_face_and_lit_like_it(puppet, white):
    closed, opened = render_puppet(puppet, moving(2), mouths((0, 0, 0), (1, 0, 0)), LARGE)
    changed = hole(white, (1, 0, 0))[0]
    assert opened[changed].mean() < 0.8 * closed[changed].mean()
    assert opened[changed][:, 0].mean() > 1.2 * opened[changed][:, 2].mean()  # red


def test_jaw_falls_and_what_is_above_the_mouth_rises(ramp):
    fall = ramp.opening * ramp.face.eye_distance
    up, down = source(ramp, PHILTRUM, (1, 0, 0)), source(ramp, CHIN, (1, 0, 0))
    assert -0.22 * fall <= up[1] < -0.02 * fall
    assert 0.4 * fall < down[1] < 0.8 * fall
    assert down[1] > source(ramp, CHIN, (0.5, 0, 0))[1] > 0.1 * fall


@pytest.mark.parametrize("point", [FOREHEAD, NOSE_TIP])
def test_the_upper_face_does_not_speak(ramp, point):
    assert source(ramp, point, (1, 0, 0)).abs().max() < 1e-3


def test_speech_leaves_the_eyes_and_the_upper_half_alone(ramp):
    frames = places(render_puppet(ramp, moving(2), mouths((1, 1, 0), (0.6, 0, 1)), SIZE))
    upper = slice(0, round(0.47 * SIZE))
    assert (frames[:, upper] - grid(SIZE)[upper]).abs().max() < 1e-3


def test_the_picture_does_not_fold(ramp):
    """Within each layer content keeps its order from top to bottom; the inside is painted."""
    for row in ((1, 1, 0), (1, 0, 1), (0, 0, 1), (0, -1, 0)):
        frame = places(render_puppet(ramp, moving(1), mouths(row), LARGE))[0, ..., 1]
        column = frame[:, round(float(ramp.face.mouth.axes.origin[0]) * LARGE)]
        lips = (ramp.face.mouth.axes.origin[1] * LARGE).long()
        below = column[lips + round(0.8 * ramp.opening * ramp.face.eye_distance * LARGE) + 4 :]
        above = column[: lips - round(0.22 * ramp.opening * ramp.face.eye_distance * LARGE) - 2]
        assert (above.diff() > 0).all()
        assert (below.diff() > 0).all()
