"""The learned form: where it starts, what it may see, and how it is stored."""

from __future__ import annotations

import pytest
import torch

from read_core.detail import DetailNetwork, DetailRestorer
from read_core.evaluation.metrics.psnr import psnr

from .conftest import codec, frame_of, shifted

SMALL = {"widths": (8, 12, 16), "features": 3, "refine_width": 8}


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return DetailNetwork(**SMALL).eval()


@pytest.fixture(scope="module")
def changed():
    """One whose zero layers are zero no longer, as after training."""
    torch.manual_seed(1)
    network = DetailNetwork(**SMALL).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d) and not layer.weight.any():
            torch.nn.init.normal_(layer.weight, std=0.03)
    return network


def restored(network, frames, portrait):
    return DetailRestorer(network).restore(frames, frame_of(portrait), frame_of(codec(portrait)))


def test_an_untrained_network_gives_nearly_the_training_free_form(untrained, portrait):
    frames = torch.stack([frame_of(codec(shifted(portrait, x, -1.0))) for x in (1.0, 3.0)])
    assert psnr(restored(untrained, frames, portrait), restored(None, frames, portrait)) > 40


@pytest.mark.parametrize("size", [(64, 96), (96, 130), (128, 192), (200, 301), (256, 384)])
def test_any_size_comes_out_and_the_training_free_form_is_near(untrained, portrait, size):
    small = codec(portrait)
    large = torch.nn.functional.interpolate(portrait, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    result = untrained(small, large, small)
    assert result.shape == (1, 3, *size)
    assert psnr(frame_of(result.detach())[None], frame_of(large)[None]) > 30


def test_frames_on_a_grid_that_does_not_fold_evenly(changed):
    portrait = torch.rand(1, 3, 76, 92, generator=torch.Generator().manual_seed(0))
    assert changed(codec(portrait), portrait, codec(portrait)).shape == (1, 3, 76, 92)


def test_frames_are_restored_one_by_one(changed, portrait):
    frames = torch.stack([frame_of(codec(shifted(portrait, x, 1.0))) for x in (0.0, 2.0, 5.0)])
    together = restored(changed, frames, portrait)
    for index in (2, 0, 1):
        assert torch.equal(restored(changed, frames[index : index + 1], portrait)[0], together[index])


@pytest.mark.parametrize("learned", [False, True])
def test_on_a_gpu_frames_are_restored_in_batches(monkeypatch, changed, portrait, learned):
    frames = torch.stack([frame_of(codec(shifted(portrait, x, 1.0))) for x in (0.0, 2.0, 5.0)])
    network, parts = changed if learned else None, []
    alone = restored(network, frames, portrait)

    def in_batches(count, work, _):
        for part in (slice(0, 2), slice(2, count)):
            parts.append(part)
            work(part)

    monkeypatch.setattr("read_core.detail.restorer.for_frames", in_batches)
    torch.testing.assert_close(restored(network, frames, portrait), alone, rtol=0, atol=1e-4)
    assert len(parts) == 2


def test_a_batch_is_its_pictures_one_by_one(changed, portrait):
    frames = torch.cat([codec(shifted(portrait, x, 1.0)) for x in (0.0, 4.0)])
    large, small = (picture.expand(2, -1, -1, -1) for picture in (portrait, codec(portrait)))
    together = changed(frames, large, small)
    for index in range(2):
        alone = changed(frames[index : index + 1], portrait, codec(portrait))
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-4)


def test_every_weight_learns_and_the_flow_too(changed, portrait):
    output = changed(codec(shifted(portrait, 2.0, 0.0)), portrait, codec(portrait))
    output.square().sum().backward()
    missing = [name for name, p in changed.named_parameters() if p.grad is None or not p.grad.any()]
    changed.zero_grad()
    assert not missing


def test_a_stored_network_is_the_same_network(changed, portrait, tmp_path):
    changed.save_pretrained(tmp_path)
    again = DetailNetwork.from_pretrained(tmp_path).eval()
    small = codec(portrait)
    assert torch.equal(again(small, portrait, small), changed(small, portrait, small))


def test_half_precision_gives_nearly_the_same(changed, portrait, tmp_path):
    changed.save_pretrained(tmp_path)
    half = DetailNetwork.from_pretrained(tmp_path, torch_dtype=torch.bfloat16).eval()
    frame = frame_of(codec(shifted(portrait, 2.0, 0.0)))[None]
    result = restored(half, frame, portrait)
    assert result.dtype == torch.float32
    assert psnr(result, restored(changed, frame, portrait)) > 30


def test_mixed_precision_rounds_layers_and_not_pictures(untrained, portrait):
    frame = codec(shifted(portrait, 2.0, 0.0))
    whole = untrained(frame, portrait, codec(portrait))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = untrained(frame, portrait, codec(portrait))
    torch.testing.assert_close(mixed, whole, rtol=0, atol=1e-3)


def test_the_standard_size_fits_four_megabytes_in_half_precision():
    assert 2 * sum(p.numel() for p in DetailNetwork().parameters()) <= 4e6
