"""Which face is cut from a portrait, and what is said of poor ones; the finder is a table of faces."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import torch

from read_core.errors import InputError, ReadWarning
from read_core.face.alignment import FaceCrop, FaceLayout, cut_face
from read_core.face.framing import frame_portrait, portrait_size, scaled_size
from read_core.media import fit_image
from read_core.records import FaceChoice

from .test_alignment import painted, turned

SIZE = (128, 128)
LARGE = torch.tensor([[250.0, 200.0], [330.0, 200.0], [290.0, 286.0]])
SMALL = LARGE * 0.4 + 300


def finder(*faces):
    return lambda image: SimpleNamespace(points=torch.stack(faces) if faces else torch.zeros(0, 3, 2))


def never(image):
    raise AssertionError("a face is looked for")


def framed(image, size=SIZE, fit="face", layout=None, choice=None, find=never):
    return frame_portrait(image, size, fit, layout, choice or FaceChoice(), find)


@pytest.fixture(autouse=True)
def _no_warning_unasked():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        yield


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_the_other_fits_are_what_they_were_and_look_for_no_face(fit):
    image = painted(300, 400)
    expected, box = fit_image(image, (96, 160), fit)
    found = framed(image, (96, 160), fit)
    assert torch.equal(found.image, expected)
    assert (found.box, found.face, found.points) == (box, None, None)


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (192, 64)])
def test_the_face_is_where_the_layout_wants_it(size):
    layout = FaceLayout(0.34, 0.4, 0.72)
    image = painted(600, 700)
    tilted = turned(LARGE - 280, 0.3) + 280
    found = framed(image, size, layout=layout, find=finder(tilted))
    torch.testing.assert_close(found.points, layout.points(size), atol=0.03, rtol=0)
    torch.testing.assert_close(found.face.to_original(found.points), tilted, atol=0.01, rtol=0)
    assert torch.equal(found.image, cut_face(image, found.face, size))
    assert found.box == found.face.box
    assert found.face.width / found.face.height == pytest.approx(size[1] / size[0])


def test_the_index_counts_from_the_largest():
    image = painted(600, 700)
    first, second = (framed(image, choice=FaceChoice(index), find=finder(LARGE, SMALL)) for index in (0, 1))
    assert second.face.width == pytest.approx(0.4 * first.face.width, rel=1e-4)


@pytest.mark.parametrize(("index", "faces"), [(2, (LARGE, SMALL)), (1, ())])
def test_an_index_beyond_the_faces_is_refused(index, faces):
    with pytest.raises(InputError, match=f"index is {index}; faces found: {len(faces)}"):
        framed(painted(600, 700), choice=FaceChoice(index), find=finder(*faces))


def test_without_a_face_the_middle_is_taken_and_one_warning_says_so():
    image = painted(300, 400)
    with pytest.warns(ReadWarning) as caught:
        found = framed(image, find=finder())
    assert len(caught) == 1
    assert "no face was found" in str(caught[0].message)
    assert "--face" in str(caught[0].message)
    assert torch.equal(found.image, fit_image(image, SIZE, "crop")[0])
    assert (found.face, found.points) == (None, None)


def test_by_hand_nothing_is_looked_for():
    image = painted(600, 800)
    found = framed(image, (96, 160), choice=FaceChoice(0, 0.5, 0.25, 0.2))
    assert found.face == FaceCrop(400.0, 200.0, 160 * 160 / 96, 160.0)  # its middle square: 0.2 x 800 pixels
    torch.testing.assert_close(found.points, FaceLayout().points((96, 160)))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((1.2, 0.5, 0.2), "outside the picture"),
        ((0.5, 0.8, 0.2), "y up to 0.75"),
        ((0.5, 0.5, 0.001), "square"),
    ],
)
def test_places_by_hand_outside_the_picture_are_refused(values, words):
    with pytest.raises(InputError, match=words):
        framed(painted(600, 800), choice=FaceChoice(0, *values))


@pytest.mark.parametrize(
    "values", [(-1,), (0.5,), (0, 0.5, 0.5, -0.1), (0, 0.5, 0.5, 5.0), (0, float("nan"))]
)
def test_choices_that_are_none_are_refused(values):
    with pytest.raises(InputError, match="expected"):
        FaceChoice(*values)


def test_a_place_by_hand_without_the_fit_face_is_remarked_upon():
    with pytest.warns(ReadWarning, match="no effect with the fit crop"):
        framed(painted(300, 400), fit="crop", choice=FaceChoice(0, 0.5, 0.4, 0.3))


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (LARGE - torch.tensor([240.0, 0.0]), "border cuts the face"),
        (LARGE * 0.05 + 280, "the face is small: 14 pixels"),
        (turned(LARGE - 290, 3.0) + 290, "not upright"),
        (LARGE + torch.tensor([[25.0, 0.0], [-25.0, 0.0], [20.0, 0.0]]), "turned away"),
    ],
)
def test_poor_faces_are_cut_and_one_warning_says_why(points, words):
    with pytest.warns(ReadWarning, match=words) as caught:
        found = framed(painted(600, 700), find=finder(points))
    assert len(caught) == 1
    assert found.face is not None


@pytest.mark.parametrize("roll", [-0.5, 0.0, 0.5])
def test_faces_of_other_proportions_are_nothing_to_remark_upon(roll):
    for narrow in (0.75, 1.0, 1.25):
        points = (LARGE - 290) * torch.tensor([narrow, 1.0])
        framed(painted(600, 700), find=finder(turned(points, roll) + 290))


@pytest.mark.parametrize("fit", ["zoom", "checkpoint default", ""])
def test_an_unknown_fit_is_refused(fit):
    with pytest.raises(InputError, match="expected one of crop"):
        framed(painted(300, 400), fit=fit)


@pytest.mark.parametrize(
    ("crop", "frame", "expected"),
    [
        ((300.0, 300.0), (128, 128), (300, 300)),
        ((301.0, 301.0), (128, 128), (300, 300)),
        ((90.0, 90.0), (128, 128), (128, 128)),
        ((5000.0, 5000.0), (128, 128), (1024, 1024)),
        ((5000.0, 5000.0), (1536, 1536), (1536, 1536)),
        ((500.0, 300.0), (96, 160), (300, 500)),
    ],
)
def test_the_portrait_has_the_crop_s_own_pixels(crop, frame, expected):
    assert portrait_size(FaceCrop(0.0, 0.0, *crop), frame) == expected


def test_scaled_sizes_are_even_and_keep_the_shape():
    assert scaled_size((96, 160), 333) == (200, 332)
    assert scaled_size((96, 160), 1) == (2, 2)
