"""Photographs that are hard to use: a sensible crop or one clear warning."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace

import pytest

from read_core.errors import ReadWarning
from read_core.face.alignment import FaceLayout
from read_core.face.finder import find_faces
from read_core.face.framing import frame_portrait
from read_core.face.paste import paste_back
from read_core.media import read_image
from read_core.records import FaceChoice

SIZE = (128, 128)
SAID = {
    "upside_down": "not upright",
    "sideways": "not upright",
    "cut": "border cuts",
    "cut_mouth": "border cuts",
    "tiny": "small",
    "two": None,
    "profile": "turned away",
    "sunglasses": None,
    "hand": None,
    "gray": None,
    "open_mouth": None,
    "shuffled": "no face was found",
    "animal": "no face was found",
}


def framed(picture, index=0, find=None):
    """The framing and what was said of it; without ``find`` the true points are given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ReadWarning)
        image = read_image(picture.path)
        find = find or (lambda _: SimpleNamespace(points=picture.faces))
        found = frame_portrait(image, SIZE, "face", None, FaceChoice(index), find)
    return image, found, [str(one.message) for one in caught if issubclass(one.category, ReadWarning)]


def test_all_kinds_are_known(hard_photographs):
    assert set(SAID) == set(hard_photographs)


@pytest.mark.parametrize("name", SAID)
def test_a_sensible_crop_and_at_most_one_warning(hard_photographs, name):
    picture = hard_photographs[name]
    image, found, said = framed(picture)
    assert found.image.shape == (*SIZE, 3)
    if SAID[name] is None:
        assert said == []
    else:
        assert len(said) == 1
        assert SAID[name] in said[0]
    if len(picture.faces):
        away = (found.points - FaceLayout().points(SIZE)).norm(dim=1)
        assert float(away.max()) < (0.12 if name == "profile" else 0.06)
        (pasted,), _ = paste_back(found.image[None], image, found.face)
        height, width = pasted.shape[:2]
        assert float((pasted - image[:height, :width]).abs().mean()) < 0.02


@pytest.mark.parametrize("name", SAID)
def test_the_finder_sees_what_there_is_and_the_same_is_said(hard_photographs, name):
    picture = hard_photographs[name]
    image, true, said = framed(picture)
    _, found, found_said = framed(picture, find=find_faces)
    assert found_said == said
    if len(picture.faces):
        assert abs(found.face.width / true.face.width - 1) < 0.1
        assert math.hypot(found.face.x - true.face.x, found.face.y - true.face.y) < 0.06 * true.face.width
        assert abs(math.remainder(found.face.roll - true.face.roll, 2 * math.pi)) < 0.12
    else:
        assert len(find_faces(image)) == 0


def test_either_of_two_faces_can_speak(hard_photographs):
    picture = hard_photographs["two"]
    for index in (0, 1):
        _, found, said = framed(picture, index)
        assert said == []
        left, _, right, _ = found.box
        assert left < float(picture.faces[index].mean(0)[0]) < right


def test_an_upside_down_face_is_upright_in_the_crop(hard_photographs, photograph):
    _, turned, _ = framed(hard_photographs["upside_down"])
    upright = SimpleNamespace(path=photograph, faces=hard_photographs["hand"].faces)
    _, plain, said = framed(upright)
    assert said == []
    assert float((turned.image - plain.image).abs().mean()) < 0.02
