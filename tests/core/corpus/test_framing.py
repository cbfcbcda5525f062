"""Heads that do not fill the picture: how many, how far, and drawn as what they say."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.framing import DOWN, RIGHT, ZOOM, framed
from read_core.corpus.scene import Scene
from read_core.errors import InputError


def changes(seed: int, share: float, split: str = "train") -> tuple[float, float, float]:
    """Zoom, shift to the right and down."""
    usual = sample_presenter(seed, split)
    found = framed(usual, seed, split, share)
    kept = dataclasses.replace(found, head_scale=usual.head_scale, head_x=usual.head_x, head_y=usual.head_y)
    assert kept == usual
    return found.head_scale / usual.head_scale, found.head_x - usual.head_x, found.head_y - usual.head_y


def test_a_share_is_moved_and_a_larger_one_adds_to_it() -> None:
    half, most = ([changes(seed, share) for seed in range(400)] for share in (0.5, 0.8))
    usual = (1.0, 0.0, 0.0)
    assert sum(found != usual for found in half) == pytest.approx(200, abs=40)
    assert sum(found != usual for found in most) == pytest.approx(320, abs=35)
    assert all(few in (usual, many) for few, many in zip(half, most, strict=True))
    assert [changes(seed, 0.0) for seed in range(40)] == [usual] * 40


def test_moves_stay_in_their_ranges_and_use_them() -> None:
    found = torch.tensor([changes(seed, 1.0) for seed in range(400)])
    for values, (low, high) in zip(found.T, (ZOOM, RIGHT, DOWN), strict=True):
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high


def test_splits_are_framed_apart() -> None:
    assert changes(3, 1.0, "train") != changes(3, 1.0, "test")


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"framing is .* expected a share of the videos, 0 to 1"):
        framed(sample_presenter(0), 0, "train", share)


def test_the_mouth_box_follows() -> None:
    """The box has the head's size, and the picture changes most inside it."""
    seed = next(s for s in range(100) if changes(s, 1.0)[0] < 0.85)
    usual, moved = (Scene(seed, "train", 9 / 25, 128, "babble", share).draw() for share in (0.0, 1.0))
    zoom = changes(seed, 1.0)[0]
    sizes = [scene["boxes"][0, 2:] - scene["boxes"][0, :2] for scene in (usual, moved)]
    torch.testing.assert_close(sizes[1], zoom * sizes[0])
    assert torch.equal(usual["mouth"], moved["mouth"])
    assert torch.equal(usual["waveform"], moved["waveform"])
    rows, columns = _changing(moved["frames"])
    x0, y0, x1, y1 = moved["boxes"][0].tolist()
    assert x0 - 4 < columns < x1 + 4
    assert y0 - 4 < rows < y1 + 4


def _changing(frames: torch.Tensor) -> tuple[float, float]:
    """Row and column about which the pictures change most, which in a talking head is the mouth."""
    change = frames.float().diff(dim=0).abs().mean((0, 3)) ** 2
    rows, columns = torch.arange(change.shape[0]), torch.arange(change.shape[1])
    return (
        (change.sum(1) * rows).sum().item() / change.sum().item(),
        (change.sum(0) * columns).sum().item() / change.sum().item(),
    )
