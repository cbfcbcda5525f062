"""The blinker changes only eyes, only where lids close, at any size, place and roll."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.eyelids.blinker import Blinker
from read_core.eyelids.network import EyelidNetwork, change_patches
from read_core.eyelids.patches import GRID, REACH, cut_patches, eye_axes

POINTS = torch.tensor([[0.36, 0.36], [0.64, 0.36], [0.5, 0.66]])


@pytest.fixture(scope="module")
def network():
    """Random weights that change pixels strongly."""
    torch.manual_seed(3)
    network = EyelidNetwork((8, 8, 8)).eval().requires_grad_(False)
    torch.nn.init.normal_(network.leave.weight, std=0.3)
    return network


def smooth_picture(height, width):
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([0.5 + 0.4 * torch.sin(7 * x + 3 * y), 0.5 + 0.3 * torch.cos(5 * y), x * y], dim=-1)


def boxes_of(points, height, width):
    """Bounds of both patches, left, top, right, bottom, with a pixel to spare."""
    centers, axes = eye_axes(points * torch.tensor([float(width), float(height)]))
    reach = axes.abs().sum(1) + 1
    return torch.cat([centers - reach, centers + reach], dim=1)


@pytest.mark.parametrize("size", [(128, 128), (512, 384)])
def test_only_eyes_change_and_only_in_frames_with_closing_lids(network, size):
    frames = smooth_picture(*size).repeat(3, 1, 1, 1)
    before = frames.clone()
    made = Blinker(network, POINTS).blink(frames, torch.tensor([0.0, 0.4, 1.0]))
    assert torch.equal(frames, before)
    assert torch.equal(made[0], frames[0])
    assert made.min() >= 0
    assert made.max() <= 1
    changed = (made[2] - frames[2]).abs().amax(-1) > 0
    rows, columns = torch.nonzero(changed, as_tuple=True)
    inside = torch.zeros(len(rows), dtype=torch.bool)
    for left, top, right, bottom in boxes_of(POINTS, *size).tolist():
        inside |= (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    assert len(rows) > 50
    assert inside.all()
    assert not torch.equal(made[1], made[2])


def test_open_lids_cost_nothing(network):
    frames = torch.rand(2, 64, 64, 3)
    assert Blinker(network, POINTS).blink(frames, torch.zeros(2)) is frames


def test_frames_are_changed_independently(network):
    frames = torch.rand(4, 96, 96, 3)
    closure = torch.tensor([0.3, 0.0, 1.0, 0.7])
    blinker = Blinker(network, POINTS)
    one_by_one = torch.cat([blinker.blink(frames[i : i + 1], closure[i : i + 1]) for i in range(4)])
    assert torch.equal(blinker.blink(frames, closure), one_by_one)


def test_the_change_of_a_frame_is_the_change_of_its_patch(network):
    """At the patch's own resolution, against the network applied to the patch itself."""
    _rows, columns = GRID
    eye_distance = columns / (2 * REACH[1])
    height, width = 160, 240
    right = torch.tensor([160.0, 80.0])  # the patch's cells are pixels
    left = right - torch.tensor([eye_distance, 0.0])
    points = torch.stack([left, right]) / torch.tensor([float(width), float(height)])
    frame = smooth_picture(height, width)
    made = Blinker(network, points).blink(frame[None], torch.tensor([1.0]))[0]
    centers, axes = eye_axes(torch.stack([left, right]))
    patch = cut_patches(frame.permute(2, 0, 1)[None], centers[1:], axes[1:])
    expected = change_patches(patch, network(patch, torch.tensor([1.0])))
    found = cut_patches(made.permute(2, 0, 1)[None], centers[1:], axes[1:])
    edge = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    assert (found[edge] - expected[edge]).abs().mean() < 0.01
    assert (expected - patch).abs().mean() > 0.1


def test_patches_turn_with_the_face_and_point_outwards():
    for roll in (0.0, 0.4, math.pi):
        across = torch.tensor([math.cos(roll), math.sin(roll)]) * 50
        centers, axes = eye_axes(
            torch.stack([torch.tensor([60.0, 60.0]), torch.tensor([60.0, 60.0]) + across])
        )
        down = torch.tensor([-across[1], across[0]])
        torch.testing.assert_close(axes[0, 0], -REACH[1] * across)
        torch.testing.assert_close(axes[1, 0], REACH[1] * across)
        torch.testing.assert_close(axes[:, 1], (REACH[0] * down).expand(2, 2))
        torch.testing.assert_close(centers[1] - centers[0], across)


def test_a_large_picture_is_smoothed_before_it_is_sampled():
    stripes = (torch.arange(1024) % 2).float().expand(3, 1024, 1024)[None]
    centers, axes = eye_axes(torch.tensor([[300.0, 500.0], [700.0, 500.0]]))
    patch = cut_patches(stripes, centers[:1], axes[:1])
    assert (patch - 0.5).abs().max() < 0.02


@pytest.mark.parametrize(
    "points", [torch.tensor([[-0.3, 0.4], [0.2, 0.4]]), torch.tensor([[3.0, 3.0], [4.0, 3.0]])]
)
def test_eyes_at_and_beyond_the_border_are_no_error(network, points):
    frames = torch.rand(1, 64, 64, 3)
    made = Blinker(network, points).blink(frames, torch.ones(1))
    assert made.shape == frames.shape
    assert made.isfinite().all()
