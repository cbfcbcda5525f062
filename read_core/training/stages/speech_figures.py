"""Held-out figures of the speech stages: how well the mouth track can be predicted."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

TRACKS = ("open", "width", "round")


def track_correlation(predicted: Tensor, true: Tensor) -> dict[str, float]:
    """Pearson correlation of each mouth track over all items and frames; both (..., 3)."""
    a, b = predicted.flatten(0, -2).double(), true.flatten(0, -2).double()
    a, b = a - a.mean(0), b - b.mean(0)
    r = (a * b).sum(0) / (a.square().sum(0) * b.square().sum(0)).sqrt().clamp(min=1e-12)
    return {f"{name}_r": value for name, value in zip(TRACKS, r.tolist(), strict=True)}


def explained_variance(speech: Tensor, decoded: Tensor) -> float:
    """1 - ||S - S_hat||^2 / ||S - mean||^2 over (B, F, H_w, D_A), with the mean of each feature."""
    rest = (speech - decoded).square().sum()
    total = (speech - speech.mean(dim=(0, 1), keepdim=True)).square().sum()
    return float(1 - rest / total)


def retrieval(similarity: Tensor) -> float:
    """Share of the frames whose decoded features are nearest to their own: (B, F, F) -> 0..1."""
    frames = torch.arange(similarity.shape[1], device=similarity.device)
    return float((similarity.argmax(dim=2) == frames).float().mean())


def ridge(inputs: Tensor, targets: Tensor, strength: float = 1e-2) -> Tensor:
    """Ridge regression with an intercept: (n, d), (n, k) -> weights (d + 1, k), the intercept last.

    ``strength`` is relative to the mean variance of an input.
    """
    x = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1).double()
    gram = x.T @ x
    penalty = torch.full_like(gram.diagonal(), strength * float(gram.diagonal()[:-1].mean()))
    penalty[-1] = 0
    weights: Tensor = torch.linalg.solve(gram + penalty.diag(), x.T @ targets.double())
    return weights.to(inputs.dtype)


def probe(train: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Fit a linear map from codes to the mouth; return the correlation of each track on the held-out pair.

    Args:
        train: codes C (B, L, h_w, d_A) and mouth tracks (B, 8 (L - 1) + 1, 3); code i predicts frames
            8i-7..8i.
        held_out: the same for other items.
    """
    weights = ridge(*_rows(*train))
    inputs, targets = _rows(*held_out)
    predicted = inputs @ weights[:-1] + weights[-1]
    return track_correlation(predicted.view(-1, 3), targets.reshape(-1, 3))


def _rows(codes: Tensor, mouth: Tensor) -> tuple[Tensor, Tensor]:
    inputs = rearrange(codes[:, 1:], "b l h d -> (b l) (h d)")
    return inputs, rearrange(mouth[:, 1:], "b (l t) k -> (b l) (t k)", l=codes.shape[1] - 1)
