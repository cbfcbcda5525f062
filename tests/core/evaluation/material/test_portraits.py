"""Portraits as users feed them: crops, sizes and light, on pictures whose answers are known."""

from __future__ import annotations

import torch

from read_core.evaluation.material.portraits import CROPS, Crop, lit, other_sizes, reframed, resized


def dot(x, y, size=64):
    """A white square of 8 pixels around (x, y) on gray, (1, size, size, 3) uint8."""
    picture = torch.full((1, size, size, 3), 90, dtype=torch.uint8)
    picture[0, y - 4 : y + 4, x - 4 : x + 4] = 250
    return picture


def place(picture):
    bright = (picture[0, ..., 0] > 170).nonzero().float() + 0.5
    return bright.mean(dim=0).flip(0).round().tolist(), len(bright)


def test_a_face_moves_and_grows_as_asked():
    assert place(reframed(dot(32, 32), right=-0.125)) == ([24, 32], 64)
    assert place(reframed(dot(32, 32), down=0.25)) == ([32, 48], 64)
    where, size = place(reframed(dot(32, 32), zoom=2.0))
    assert where == [32, 32]
    assert 200 <= size <= 280  # 64 x 4
    assert torch.equal(reframed(dot(20, 40)), dot(20, 40))


def test_shifts_are_shares_of_the_shorter_side():
    wide = torch.full((1, 64, 128, 3), 90, dtype=torch.uint8)
    wide[0, 28:36, 60:68] = 250
    assert place(reframed(wide, right=0.25)) == ([80, 32], 64)
    assert place(reframed(wide, down=0.25)) == ([64, 48], 64)


def test_crops_say_whether_a_corpus_is_framed_so():
    assert not Crop("as it is").beyond
    assert [Crop("", zoom=zoom).beyond for zoom in (0.7, 0.75, 1.25, 1.3)] == [True, False, False, True]
    assert [Crop("", right=right).beyond for right in (-0.2, -0.1, 0.2)] == [True, False, True]
    assert [Crop("", down=down).beyond for down in (-0.1, 0.12, 0.2)] == [True, False, True]
    assert {crop.beyond for crop in CROPS} == {True, False}
    assert place(Crop("", right=-0.125)(dot(32, 32))) == ([24, 32], 64)


def test_what_lies_beyond_the_picture_repeats_its_border():
    picture = dot(32, 32)
    picture[:, :, 0] = 10
    assert (reframed(picture, right=0.25)[0, 20, :14] < 15).all()


def test_sizes_keep_the_picture():
    small = resized(dot(32, 32), 0.5)
    assert small.shape == (1, 32, 32, 3)
    assert place(small)[0] == [16, 16]
    assert resized(dot(32, 32), 3).shape == (1, 192, 192, 3)


def test_light_is_clipped_and_colored():
    picture = lit(dot(32, 32), (1.4, 1.0, 0.5))
    assert picture[0, 0, 0].tolist() == [126, 90, 45]
    assert picture[0, 32, 32].tolist() == [255, 250, 125]


def test_other_sizes_are_multiples_of_32_without_the_own_one():
    sizes = other_sizes((128, 128), (0.5, 0.75, 1.0, 1.25, 2.0))
    assert sizes == [(64, 64), (96, 96), (160, 160), (256, 256)]
    assert other_sizes((64, 96), (0.5, 1.5)) == [(64, 64), (96, 128)]
