"""Fréchet distance of two normal distributions, whose moments are gathered batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError


@dataclass(frozen=True)
class Moments:
    """Number, mean and scatter of vectors.

    Attributes:
        count: N, how many there were.
        mean: (D,) float64.
        scatter: (D, D) float64, the sum of the outer products of what differs from the mean.
    """

    count: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def empty(cls, size: int) -> Moments:
        """Those of no vectors of ``size`` values."""
        return cls(0, torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64))

    def with_batch(self, vectors: Tensor) -> Moments:
        """Those together with (N, D) more vectors."""
        if not len(vectors):
            return self
        more = vectors.detach().cpu().double()
        count = self.count + len(more)
        own = more.mean(0)
        apart, around = own - self.mean, more - own
        scatter = self.scatter + around.T @ around
        scatter += torch.outer(apart, apart) * (self.count * len(more) / count)
        return Moments(count, self.mean + apart * (len(more) / count), scatter)

    @property
    def covariance(self) -> Tensor:
        """(D, D), of a sample: divided by N - 1.

        Raises:
            InputError: there are fewer than two vectors.
        """
        if self.count < 2:
            raise InputError(f"there are {self.count} samples; a covariance needs 2 or more")
        return self.scatter / (self.count - 1)


def frechet_distance(first: Moments, second: Moments) -> float:
    """Squared Fréchet distance: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

    The trace of the root is the sum of the roots of the eigenvalues of the symmetric C1^(1/2) C2 C1^(1/2). So
    it is real, and exists for singular covariances too.

    Raises:
        InputError: one of them has fewer than two vectors.
    """
    one, two = first.covariance, second.covariance
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ two @ root).clamp(min=0).sqrt().sum()
    apart = (first.mean - second.mean).square().sum()
    return float((apart + one.trace() + two.trace() - 2 * shared).clamp(min=0))
