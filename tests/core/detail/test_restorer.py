"""The training-free form: what comes back, what is left alone, and that frames are independent."""

from __future__ import annotations

import pytest
import torch

from read_core.detail import DetailRestorer
from read_core.detail.analysis import analysis_size, analyze, resize
from read_core.errors import InputError
from read_core.evaluation.metrics.psnr import psnr

from .conftest import codec, frame_of, shifted

RESTORER = DetailRestorer()


def enlarged(frame: torch.Tensor) -> torch.Tensor:
    """A frame at twice its size, cubic: (h, w, 3) -> (1, H, W, 3)."""
    planes = frame.permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(planes, scale_factor=2, mode="bicubic").permute(0, 2, 3, 1)


def restored(frame, portrait, points=None):
    return RESTORER.restore(frame[None], frame_of(portrait), frame_of(codec(portrait)), points)


def test_the_portrait_s_own_frame_comes_back_as_the_portrait(portrait):
    result = restored(frame_of(codec(portrait)), portrait)
    assert result.shape == (1, 128, 192, 3)
    torch.testing.assert_close(result[0], frame_of(portrait), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("x", "y"), [(1.0, 0.0), (3.4, -2.2), (-6.0, 5.0)])
def test_detail_follows_the_motion(portrait, x, y):
    moved = shifted(portrait, x, y)
    frame = frame_of(codec(moved))
    true = frame_of(moved)[None, 16:-16, 16:-16]
    plain = psnr(enlarged(frame)[:, 16:-16, 16:-16], true)
    assert psnr(restored(frame, portrait)[:, 16:-16, 16:-16], true) > plain + 4


def test_what_the_portrait_does_not_show_is_kept(portrait):
    changed = portrait.clone()
    changed[..., 60:90, 80:112] = 0.05  # an opened mouth
    frame = frame_of(codec(changed))
    result = restored(frame, portrait)
    hole = (slice(None), slice(66, 84), slice(86, 106))
    torch.testing.assert_close(result[hole], enlarged(frame)[hole], rtol=0, atol=0.02)
    assert (
        psnr(result[:, :40], frame_of(changed)[None, :40])
        > psnr(enlarged(frame)[:, :40], frame_of(changed)[None, :40]) + 4
    )


def test_lips_give_way_to_a_narrow_gap_where_the_mouth_is_known(portrait):
    changed = portrait.clone()
    changed[..., 84:88, 84:108] = 0.0
    points = torch.tensor([[0.4, 0.3], [0.6, 0.3], [0.5, 0.66]])
    frame, gap = frame_of(codec(changed)), (slice(None), slice(83, 89), slice(84, 108))
    errors = [
        (restored(frame, portrait, places)[gap] - enlarged(frame)[gap]).abs().mean()
        for places in (None, points)
    ]
    assert errors[1] <= errors[0]
    assert errors[1] < 0.02


def test_frames_are_restored_one_by_one(portrait):
    frames = torch.stack([frame_of(codec(shifted(portrait, x, 1.0))) for x in (0.0, 2.0, 5.0)])
    large, small = frame_of(portrait), frame_of(codec(portrait))
    points = torch.tensor([[0.4, 0.3], [0.6, 0.3], [0.5, 0.66]])
    together = RESTORER.restore(frames, large, small, points)
    for index in (2, 0, 1):
        alone = RESTORER.restore(frames[index : index + 1], large, small, points)
        assert torch.equal(alone[0], together[index])


def test_inputs_are_left_alone_and_results_stay_in_range(portrait):
    frames, large, small = frame_of(codec(portrait))[None], frame_of(portrait), frame_of(codec(portrait))
    copies = [value.clone() for value in (frames, large, small)]
    result = RESTORER.restore(frames, large, small)
    assert all(torch.equal(a, b) for a, b in zip(copies, (frames, large, small), strict=True))
    assert result.min() >= 0
    assert result.max() <= 1
    assert result.dtype == torch.float32


@pytest.mark.parametrize("size", [(48, 80), (64, 96), (130, 190), (257, 391)])
def test_any_size_comes_out(portrait, size):
    small = codec(portrait)
    large = resize(portrait, size)
    result = RESTORER.restore(frame_of(small)[None], frame_of(large), frame_of(small))
    assert result.shape == (1, *size, 3)
    assert psnr(result, frame_of(large)[None]) > 30


@pytest.mark.parametrize("size", [(128, 192), (200, 301), (40, 50), (64, 200)])
def test_resizing_is_cubic_and_antialiased_along_an_axis_that_shrinks(size):
    picture = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    expected = picture
    for axes in ((size[0], 96), size):
        smaller = axes[0] < expected.shape[2] or axes[1] < expected.shape[3]
        expected = torch.nn.functional.interpolate(expected, size=axes, mode="bicubic", antialias=smaller)
    torch.testing.assert_close(resize(picture, size), expected, rtol=0, atol=1e-5)


def test_no_frames_give_no_frames(portrait):
    small = frame_of(codec(portrait))
    assert RESTORER.restore(small[None][:0], frame_of(portrait), small).shape == (0, 128, 192, 3)


def test_large_pictures_are_analyzed_smaller():
    assert analysis_size(128, 192) == (128, 192)
    assert analysis_size(512, 768) == (256, 384)
    assert analysis_size(1025, 2048) == (129, 256)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"frames": torch.zeros(8, 8, 3)}, "frames"),
        ({"decoded": torch.zeros(8, 9, 3)}, "decoded"),
        ({"portrait": torch.zeros(3, 16, 16)}, "portrait"),
        ({"points": torch.zeros(2, 2)}, "points"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(change, word):
    values = {
        "frames": torch.zeros(1, 8, 8, 3),
        "portrait": torch.zeros(16, 16, 3),
        "decoded": torch.zeros(8, 8, 3),
        "points": None,
    }
    with pytest.raises(InputError, match=word):
        RESTORER.restore(**(values | change))


def test_the_codec_s_noise_moves_nothing(portrait):
    small = codec(portrait)
    noise = 0.004 * torch.randn(small.shape, generator=torch.Generator().manual_seed(0))
    flow, _ = analyze(small + noise, small, None)
    assert flow.abs().max() < 0.1
    moved, _ = analyze(codec(shifted(portrait, 2.0, 0.0)) + noise, small, None)
    assert (moved[:, 0, 16:-16, 16:-16] + 1).abs().median() < 0.15
