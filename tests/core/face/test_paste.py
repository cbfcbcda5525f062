"""Frames back in the picture: what stays, what comes, and that it is in its place."""

from __future__ import annotations

import pytest
import torch

from read_core.errors import InputError
from read_core.face.alignment import FaceCrop, cut_face
from read_core.face.paste import PasteBack, paste_back, pasted_size
from read_core.pictures import as_bytes

from .test_alignment import painted

CROP = FaceCrop(150.0, 110.0, 120.0, 120.0, 0.3)


def inside(mask):
    return mask > 0


def test_what_was_cut_comes_back_to_its_place():
    original = painted(220, 300)
    for size in (64, 120, 256):
        frame = cut_face(original, CROP, (size, size))
        (picture,), mask = paste_back(frame[None], original, CROP)
        assert float((picture - original)[inside(mask)].abs().max()) < 0.02


def test_outside_the_crop_not_a_bit_changes_and_in_its_middle_all():
    original = painted(220, 300)
    (picture,), mask = paste_back(torch.ones(1, 64, 64, 3), original, CROP)
    assert torch.equal(picture[~inside(mask)], original[~inside(mask)])
    torch.testing.assert_close(picture[100:120, 140:160], torch.ones(20, 20, 3))
    assert bool((mask[100:120, 140:160] == 1).all())
    torch.testing.assert_close(picture, torch.lerp(original, torch.ones(()), mask[..., None]))


def test_the_rim_rises_smoothly_from_the_crop_s_border_to_a_tenth_of_its_side():
    crop = FaceCrop.of_box((40, 20, 240, 220))
    mask = PasteBack(torch.zeros(240, 300, 3), crop).mask
    line = mask[120]
    assert bool((line[:40] == 0).all())
    assert bool((line[240:] == 0).all())
    assert bool((line[60:220] == 1).all())
    rise = line[40:60]
    assert bool((rise.diff() > 0).all())
    assert float(rise[0]) < 0.01
    assert float(rise.diff().max()) < 0.09  # no step: the seam is soft
    torch.testing.assert_close(rise, 1 - rise.flip(0))  # and as soft at both ends


def test_chunks_give_the_pictures_of_the_whole():
    original = painted(220, 300)
    frames = torch.rand(7, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    whole, _ = paste_back(frames, original, CROP)
    parts = PasteBack(original, CROP).stream([frames[:3], frames[3:4], frames[4:]])
    assert torch.equal(torch.cat(list(parts)), whole)


def test_a_stream_holds_few_pictures_at_a_time():
    paste = PasteBack(torch.rand(1200, 1800, 3), CROP)
    lengths = [len(part) for part in paste.stream([torch.rand(5, 8, 8, 3)])]
    assert sum(lengths) == 5
    assert max(lengths) <= 2


@pytest.mark.parametrize(
    ("original", "max_side", "size"),
    [
        ((1080, 1920), 1920, (1080, 1920)),
        ((221, 301), 1920, (220, 300)),
        ((3000, 4000), 1920, (1440, 1920)),
        ((4000, 1001), 1921, (1920, 480)),
        ((100, 100), 64, (64, 64)),
        ((5000, 3), 1920, (1920, 2)),
    ],
)
def test_sizes_are_even_and_no_longer_than_wanted(original, max_side, size):
    assert pasted_size(original, max_side) == size


def test_a_larger_picture_shrinks_with_the_face_in_its_place():
    original = painted(440, 600)
    crop = FaceCrop(300.0, 220.0, 240.0, 240.0, 0.3)
    frame = cut_face(original, crop, (128, 128))
    pictures, mask = paste_back(frame[None], original, crop, max_side=300)
    small = torch.nn.functional.interpolate(original.permute(2, 0, 1)[None], (220, 300), mode="area")[
        0
    ].permute(1, 2, 0)
    assert pictures.shape == (1, 220, 300, 3)
    assert mask.shape == (220, 300)
    assert float((pictures[0] - small)[2:-2, 2:-2].abs().max()) < 0.02


def test_odd_sides_lose_their_last_pixels_only():
    original = painted(221, 301)
    (picture,), mask = paste_back(torch.ones(1, 32, 32, 3), original, CROP)
    kept = original[:220, :300]
    assert torch.equal(picture[~inside(mask)], kept[~inside(mask)])


def test_large_frames_are_antialiased_in_a_small_place():
    frames = torch.zeros(1, 512, 512, 3)
    frames[:, :, ::2] = 1
    crop = FaceCrop(50.0, 50.0, 40.0, 40.0)
    (picture,), _ = paste_back(frames, torch.full((100, 100, 3), 0.5), crop)
    assert float((picture - 0.5).abs().max()) < 0.02


@pytest.mark.parametrize(
    "crop",
    [
        FaceCrop(0.0, 0.0, 60.0, 60.0, 0.2),
        FaceCrop(95.0, 50.0, 300.0, 300.0),
        FaceCrop(500.0, -500.0, 20.0, 20.0),
    ],
)
def test_a_crop_may_reach_beyond_the_picture_or_miss_it(crop):
    original = painted(80, 100)
    (picture,), mask = paste_back(cut_face(original, crop, (64, 64))[None], original, crop)
    assert picture.shape == (80, 100, 3)
    assert mask.shape == (80, 100)
    if crop.x < 400:
        assert float(mask.max()) > 0
    else:
        assert torch.equal(picture, original)


def test_a_frame_of_another_shape_goes_where_it_came_from():
    original = painted(220, 300)
    crop = FaceCrop(150.0, 110.0, 200.0, 100.0)
    frame = cut_face(original, crop, (64, 128))
    (picture,), mask = paste_back(frame[None], original, crop)
    assert float((picture - original)[inside(mask)].abs().max()) < 0.02


def test_inputs_are_left_as_they_are():
    original, frames = painted(80, 100), torch.rand(2, 32, 32, 3)
    kept, given = original.clone(), frames.clone()
    paste_back(frames, original, FaceCrop(50.0, 40.0, 30.0, 30.0))
    assert torch.equal(original, kept)
    assert torch.equal(frames, given)


@pytest.mark.parametrize(
    "original", [torch.rand(40, 40), torch.rand(40, 40, 4), torch.zeros(40, 40, 3, dtype=torch.uint8)]
)
def test_what_is_no_picture_is_refused(original):
    with pytest.raises(InputError, match="expected"):
        PasteBack(original, CROP)


def test_a_picture_of_one_pixel_is_refused():
    with pytest.raises(InputError, match="1 x 1 pixels"):
        PasteBack(torch.rand(1, 1, 3), CROP)


@pytest.mark.parametrize("crop", [CROP, FaceCrop.of_box((900, 900, 960, 960))], ids=["inside", "outside"])
def test_bytes_are_the_rounded_pictures(crop):
    paste, frames = PasteBack(painted(220, 300), crop), torch.rand(3, 64, 64, 3)
    assert torch.equal(paste.as_bytes(frames), as_bytes(paste(frames)))
    assert (paste.changed > 0) == (crop is CROP)
