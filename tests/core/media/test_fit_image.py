"""Portraits in the size of a checkpoint: cropped, padded or stretched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from read_core.errors import InputError
from read_core.media import fit_image


def test_crop_keeps_the_middle(gradient):
    image = torch.from_numpy(gradient.astype(np.float32) / 255)
    fitted, box = fit_image(image, (96, 96))
    assert fitted.shape == (96, 96, 3)
    assert box == (8, 0, 32, 24)
    np.testing.assert_allclose(fitted.mean((0, 1)), image[:, 8:32].mean((0, 1)), atol=5e-3)


def test_pad_shows_the_whole_image(gradient):
    image = torch.from_numpy(gradient.astype(np.float32) / 255)
    fitted, box = fit_image(image, (160, 160), fit="pad")
    assert box == (0, -8, 40, 32)
    # the border rows repeat, the middle is the image, 4 times as large
    np.testing.assert_allclose(fitted[0], fitted[16], atol=1e-5)
    np.testing.assert_allclose(fitted[32:128].mean((0, 1)), image.mean((0, 1)), atol=1e-2)


def test_stretch_uses_everything(gradient):
    image = torch.from_numpy(gradient.astype(np.float32) / 255)
    fitted, box = fit_image(image, (96, 64), fit="stretch")
    assert fitted.shape == (96, 64, 3)
    assert box == (0, 0, 40, 24)


def test_shrinking_is_antialiased():
    stripes = torch.zeros(512, 512, 3)
    stripes[:, ::2] = 1
    fitted, _ = fit_image(stripes, (64, 64))
    np.testing.assert_allclose(fitted[8:-8, 8:-8], 0.5, atol=0.02)


def test_fitting_is_the_identity_at_the_same_size():
    image = torch.rand(64, 96, 3, generator=torch.Generator().manual_seed(0))
    for fit in ("crop", "pad", "stretch"):
        np.testing.assert_allclose(fit_image(image, (64, 96), fit)[0], image, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "nearest"), [((500, 512), "512 x 512"), ((0, 64), "64 x 64"), ((128, 9000), "2048 x 128")]
)
def test_other_sizes_are_refused_with_the_nearest(size, nearest):
    with pytest.raises(InputError, match=nearest):
        fit_image(torch.zeros(64, 64, 3), size)


def test_unknown_fit_and_wrong_tensors_are_refused():
    with pytest.raises(InputError, match="crop, pad, stretch"):
        fit_image(torch.zeros(64, 64, 3), (64, 64), fit="zoom")
    with pytest.raises(InputError, match=r"expected \(H, W, 3\)"):
        fit_image(torch.zeros(3, 64, 64), (64, 64))
