"""The hard photographs are what their names say."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from read_core.corpus.photo.anatomy import eyes_and_mouth


def test_points_tell_where_the_faces_are(hard_photographs, photograph, photograph_points):
    """A small window around each eye that is neither covered nor outside is darker than the skin below it."""
    for name in ("upside_down", "two", "gray", "open_mouth", "profile"):
        picture = hard_photographs[name]
        gray = np.asarray(Image.open(picture.path).convert("L"))
        up = -1 if name == "upside_down" else 1
        for left, right, mouth in picture.faces.tolist():
            reach = max(1, round(abs(right[0] - left[0]) / 8))

            def darkest(x, y, gray=gray, reach=reach):
                return int(
                    gray[round(y) - reach : round(y) + reach, round(x) - reach : round(x) + reach].min()
                )

            for x, y in (left, right):
                cheek = y + up * abs(mouth[1] - y) * 0.45
                assert darkest(x, y) < darkest(x, cheek) - 15, name
    original = eyes_and_mouth(photograph_points)
    assert torch.equal(hard_photographs["gray"].faces[0], original)
    assert Image.open(photograph).size == (512, 640)


def test_what_is_wrong_with_them(hard_photographs):
    def faces(name):
        return hard_photographs[name].faces

    assert Image.open(hard_photographs["gray"].path).mode == "L"
    left, right, mouth = faces("cut")[0]
    assert left[0] < 0 < right[0]
    assert abs(float(mouth[0])) < 10
    left, right, mouth = faces("cut_mouth")[0]
    assert left[1] < Image.open(hard_photographs["cut_mouth"].path).height < mouth[1]
    left, right, mouth = faces("sideways")[0]
    assert left[1] > right[1]
    assert mouth[0] > left[0]
    left, right, mouth = faces("tiny")[0]
    assert 5 < float(mouth[1] - left[1]) < 12  # a face of 20 pixels
    left, right, mouth = faces("profile")[0]
    assert float(right[0] - left[0]) < 0.6 * float(mouth[1] - left[1])
    left, right, mouth = faces("upside_down")[0]
    assert left[0] < right[0]
    assert mouth[1] < left[1]
    assert len(faces("two")) == 2
    large, small = faces("two")
    assert (large[1] - large[0]).norm() > 1.5 * (small[1] - small[0]).norm()
    assert len(faces("shuffled")) == len(faces("animal")) == 0
