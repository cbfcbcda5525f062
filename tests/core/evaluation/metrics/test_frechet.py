"""The Fréchet distance against closed forms and scipy's root of a matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.metrics.frechet import Moments, frechet_distance


def moments(vectors):
    return Moments.empty(vectors.shape[1]).with_batch(vectors)


def drawn(count, size, seed):
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return torch.randn(count, size, generator=generator, dtype=torch.float64) @ mixed + seed


def test_moments_of_batches_are_those_of_all():
    vectors = drawn(50, 6, 1) + 1000
    gathered = Moments.empty(6)
    for part in vectors.split([1, 7, 0, 30, 12]):
        gathered = gathered.with_batch(part)
    assert gathered.count == 50
    assert np.allclose(gathered.mean.numpy(), vectors.numpy().mean(0))
    assert np.allclose(gathered.covariance.numpy(), np.cov(vectors.numpy().T), rtol=1e-9)


def test_independent_axes_have_a_closed_form():
    """Diagonal covariances: the sum over axes of (m1 - m2)^2 + (s1 - s2)^2."""
    signs = torch.tensor([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)], dtype=torch.float64)
    first, second = signs * torch.tensor([2.0, 3.0]), signs * torch.tensor([5.0, 0.0]) + 7.0
    of_sample = (4 / 3) ** 0.5  # the deviation of four signs
    expected = 2 * 49 + (of_sample * 3) ** 2 * 2
    assert frechet_distance(moments(first), moments(second)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [200, 5])  # 5 vectors of 8 values: singular covariances
def test_it_is_the_formula_with_scipys_root(count):
    linalg = pytest.importorskip("scipy.linalg")
    first, second = drawn(count, 8, 1), drawn(count + 3, 8, 2)
    one, two = np.cov(first.numpy().T), np.cov(second.numpy().T)
    apart = first.numpy().mean(0) - second.numpy().mean(0)
    expected = apart @ apart + np.trace(one + two - 2 * linalg.sqrtm(one @ two).real)
    assert frechet_distance(moments(first), moments(second)) == pytest.approx(expected, rel=1e-6)


def test_nothing_differs_from_itself_and_one_vector_is_too_few():
    own = moments(drawn(20, 4, 3))
    assert frechet_distance(own, own) == pytest.approx(0, abs=1e-9)
    with pytest.raises(InputError, match="2 or more"):
        frechet_distance(own, moments(drawn(1, 4, 3)))
