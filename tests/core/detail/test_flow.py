"""Flow against motion that is known."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from read_core.detail.flow import blur, estimate_flow, resize_flow, warp

from .conftest import shifted, textured


def inner(values: torch.Tensor, rim: int = 16) -> torch.Tensor:
    return values[..., rim:-rim, rim:-rim]


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.4, -0.3), (3.0, 1.5), (-7.0, 5.0)])
def test_a_shift_is_found_to_a_fraction_of_a_pixel(x, y):
    still = textured(128, 96, 10, 0)
    moved = shifted(still, x, y)  # what is at p in it was at p - (x, y)
    flow = inner(estimate_flow(moved.mean(1, keepdim=True), still.mean(1, keepdim=True)))
    assert (flow[:, 0] + x).abs().median() < 0.1
    assert (flow[:, 1] + y).abs().median() < 0.1
    assert (flow[:, 0] + x).abs().max() < 0.5


def test_a_rotation_is_found():
    angle = 0.05
    turn = torch.tensor([[[1.0, -angle, 0], [angle, 1.0, 0]]])
    grid = F.affine_grid(turn, [1, 3, 128, 128], align_corners=False)
    still = textured(128, 128, 10, 0)
    moved = F.grid_sample(still, grid, padding_mode="border", align_corners=False)
    true = (grid - F.affine_grid(torch.eye(2, 3)[None], [1, 3, 128, 128], align_corners=False)) * 64
    flow = estimate_flow(moved.mean(1, keepdim=True), still.mean(1, keepdim=True))
    error = inner(flow - true.permute(0, 3, 1, 2)).norm(dim=1)
    assert error.median() < 0.1


def test_flat_places_take_over_their_surroundings_motion():
    still = textured(128, 128, 10, 0)
    still[..., 56:72, 56:72] = 0.5
    moved = shifted(still, 2.0, 0.0)
    flow = estimate_flow(moved.mean(1, keepdim=True), still.mean(1, keepdim=True))
    assert (flow[0, 0, 60:68, 62:70] + 2).abs().max() < 0.5


def test_a_batch_is_its_pictures_one_by_one():
    first, second = textured(64, 96, 8, 0), textured(64, 96, 8, 1)
    frames = torch.cat([shifted(first, 2, 1), shifted(second, -1, 0)]).mean(1, keepdim=True)
    stills = torch.cat([first, second]).mean(1, keepdim=True)
    together = estimate_flow(frames, stills)
    for index in range(2):
        alone = estimate_flow(frames[index : index + 1], stills[index : index + 1])
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-4)


def test_warping_by_whole_pixels_is_indexing():
    picture = torch.rand(1, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    flow = torch.zeros(1, 2, 10, 12)
    flow[:, 0], flow[:, 1] = 2, -1
    warped = warp(picture, flow)
    torch.testing.assert_close(warped[..., 1:, :-2], picture[..., :-1, 2:])
    torch.testing.assert_close(warped[..., 0, -1], picture[..., 0, -1])  # beyond the border: the border


def test_a_flow_keeps_its_meaning_on_another_grid():
    flow = torch.ones(1, 2, 8, 12)
    larger = resize_flow(flow, (16, 36))
    assert larger.shape == (1, 2, 16, 36)
    torch.testing.assert_close(larger[0, 0], torch.full((16, 36), 3.0))  # x: 12 -> 36
    torch.testing.assert_close(larger[0, 1], torch.full((16, 36), 2.0))


def test_blur_is_the_mean_of_the_pixels_in_reach():
    picture = torch.rand(1, 2, 7, 9, generator=torch.Generator().manual_seed(0))
    result = blur(picture, 5)
    for y, x in ((0, 0), (3, 4), (6, 8), (1, 7)):
        box = picture[..., max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        torch.testing.assert_close(result[..., y, x], box.mean((-2, -1)))
