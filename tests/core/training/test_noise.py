from __future__ import annotations

import pytest
import torch

from read_core.training.noise import SampleNoise


def test_the_noise_of_a_sample_depends_on_its_index_alone():
    whole = SampleNoise(3, range(8)).normal(2, 5)
    parts = [SampleNoise(3, indices).normal(2, 5) for indices in (range(4), range(4, 8))]
    assert torch.equal(whole, torch.cat(parts))
    assert len({tuple(sample.flatten().tolist()) for sample in whole}) == 8
    assert not torch.equal(whole, SampleNoise(4, range(8)).normal(2, 5))


def test_it_is_not_what_the_sample_itself_was_drawn_from():
    for index in range(20):
        itself = torch.Generator().manual_seed(2 * 1_000_003 + index)
        assert SampleNoise(2, [index]).uniform().item() != torch.rand((), generator=itself).item()


def test_the_draws_are_normal_and_uniform():
    noise = SampleNoise(0, range(400))
    normal, uniform = noise.normal(50), noise.uniform(50)
    assert normal.mean().item() == pytest.approx(0, abs=0.03)
    assert normal.std().item() == pytest.approx(1, abs=0.03)
    assert torch.corrcoef(normal.flatten()[None].view(2, -1))[0, 1].abs() < 0.03
    assert (uniform.min() >= 0) & (uniform.max() < 1)
    assert uniform.std().item() == pytest.approx(12**-0.5, abs=0.01)
