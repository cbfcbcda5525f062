"""Pictures resized, sampled and converted; what MPS gets in place of what it lacks."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from read_core.pictures import antialiased, as_bytes, sampled, within


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 9, 14, generator=torch.Generator().manual_seed(0))


def test_a_border_that_is_repeated_is_a_place_that_is_held_back(pictures):
    places = 4 * torch.rand(2, 30, 20, 2, generator=torch.Generator().manual_seed(1)) - 2
    held = F.grid_sample(pictures, within(places, pictures), padding_mode="zeros", align_corners=False)
    torch.testing.assert_close(held, sampled(pictures, places))


def test_sampling_is_exact_at_the_centers_of_pixels(pictures):
    rows, columns = ((torch.arange(n) + 0.5) * 2 / n - 1 for n in (9, 14))
    places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).expand(2, -1, -1, -1)
    for mode in ("bilinear", "bicubic"):
        torch.testing.assert_close(sampled(pictures, places, mode), pictures, atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_a_shrunk_picture_keeps_its_mean(pictures, mode):
    large = pictures.repeat_interleave(8, 2).repeat_interleave(8, 3)
    small = antialiased(large, (9, 14), mode)
    assert small.shape == pictures.shape
    torch.testing.assert_close(small.mean((2, 3)), pictures.mean((2, 3)), atol=0.01, rtol=0)


def test_bytes_are_rounded_and_clamped():
    values = torch.tensor([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 0.5, 1.0, 1.3])
    found = as_bytes(values.view(1, 1, -1, 1).expand(2, -1, -1, 3))
    assert found.dtype == torch.uint8
    assert found[1, 0, :, 2].tolist() == [0, 0, 0, 1, 128, 255, 255]
