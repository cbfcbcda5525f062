"""Muon against the singular value decomposition, its other branch against torch's Adam."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from torch import nn

from read_core.training.config import ConfigError, LoopConfig
from read_core.training.optim import Muon, make_optimizer, orthogonalize, set_rate


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def polar(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, by SVD."""
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    return u @ vh


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (3, 5, 8), (1, 7)])
def test_orthogonalize_keeps_the_singular_vectors_and_evens_the_values(shape):
    matrix = torch.randn(shape, generator=generator(), dtype=torch.float64)
    result = orthogonalize(matrix)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.mT @ result @ vh.mT
    values = inside.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(inside, torch.diag_embed(values), atol=1e-6, rtol=0)
    assert values.min() > 0.3
    assert values.max() < 1.25


def test_orthogonalize_ignores_the_scale():
    matrix = torch.randn(5, 8, generator=generator(), dtype=torch.float64)
    torch.testing.assert_close(orthogonalize(1e3 * matrix), orthogonalize(matrix), rtol=1e-5, atol=1e-5)


def test_the_adam_branch_is_adam():
    start = torch.randn(4, 3, generator=generator())
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    muon = Muon([{"params": [ours], "lr": 0.03, "adam": True}])
    adam = torch.optim.Adam([theirs], lr=0.03, betas=(0.9, 0.99), eps=1e-8)
    for step in range(20):
        gradient = torch.randn(4, 3, generator=generator(step))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (6, 2, 3, 1, 1)])
def test_muon_follows_nesterov_momentum_turned_orthogonal(shape):
    rate, momentum = 0.1, 0.9
    p = nn.Parameter(torch.randn(shape, generator=generator(), dtype=torch.float64))
    muon = Muon([{"params": [p], "lr": rate, "momentum": momentum}])
    buffer = torch.zeros(shape[0], math.prod(shape[1:]), dtype=torch.float64)
    for step in range(5):
        p.grad = torch.randn(shape, generator=generator(step + 1), dtype=torch.float64)
        before, gradient = p.detach().clone(), p.grad.flatten(1)
        muon.step()
        update = ((before - p.detach()) / rate).flatten(1)
        buffer = momentum * buffer + (1 - momentum) * gradient
        direction = momentum * buffer + (1 - momentum) * gradient
        rows, columns = direction.shape
        torch.testing.assert_close(polar(update), polar(direction), rtol=1e-6, atol=1e-6)
        values = torch.linalg.svdvals(update) / max(1.0, rows / columns) ** 0.5
        assert values.min() > 0.3
        assert values.max() < 1.25


def test_the_sub_pixels_of_an_upsampler_are_matrices_of_their_own():
    conv, upsampler = nn.Module(), nn.Conv3d(5, 3 * 8, 1, bias=False)
    conv.upsamplers = nn.ModuleList([upsampler])
    whole = nn.Module()
    parts = [nn.Conv3d(5, 3, 1, bias=False) for _ in range(8)]
    whole.parts = nn.ModuleList(parts)
    weight = upsampler.weight
    gradient = torch.randn(weight.shape, generator=generator())
    for part, each in enumerate(parts):
        each.weight.data.copy_(weight.data[part::8])
        each.weight.grad = gradient[part::8].clone()
    weight.grad = gradient.clone()
    config = LoopConfig(steps=1, batch_size=1, optimizer="muon", learning_rate=0.1)
    make_optimizer(conv, config).step()
    make_optimizer(whole, config).step()
    for part, each in enumerate(parts):
        torch.testing.assert_close(weight[part::8], each.weight)


def test_weight_decay_is_decoupled():
    p = nn.Parameter(torch.ones(3, 3))
    muon = Muon([{"params": [p], "lr": 0.5, "weight_decay": 0.1}])
    p.grad = torch.zeros(3, 3)
    muon.step()
    torch.testing.assert_close(p.detach(), torch.full((3, 3), 0.95))


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 3, 3)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.scale_shift_table = nn.Parameter(torch.zeros(2, 4))
        self.null_speech = nn.Parameter(torch.zeros(3, 5))


def stepped(name: str, steps: int) -> torch.Tensor:
    """A matrix after some steps on given gradients."""
    layer = nn.Linear(64, 128, bias=False)
    layer.weight.data.copy_(torch.randn(128, 64, generator=generator()))
    rates = {"learning_rate": 0.01, "weight_decay": 0.1}
    config = LoopConfig.model_validate({"steps": 1, "batch_size": 1, "optimizer": name, **rates})
    optimizer = make_optimizer(layer, config)
    for step in range(steps):
        layer.weight.grad = torch.randn(128, 64, generator=generator(step + 1))
        set_rate(optimizer.param_groups[0], 0.01 / (step + 1))
        optimizer.step()
    return layer.weight.detach()


def test_the_fused_adamw_is_adamw():
    torch.testing.assert_close(stepped("adamw_fused", 5), stepped("adamw", 5), rtol=1e-5, atol=1e-6)


def test_the_adamw_of_8_bits_follows_adamw(uncompiled_torchao):
    start, exact = stepped("adamw_8bit", 0), stepped("adamw", 5)
    error = (stepped("adamw_8bit", 5) - exact).norm() / (exact - start).norm()
    assert 0 < error < 0.05


def test_a_missing_torchao_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    with pytest.raises(ConfigError, match=r"torchao.*low-bit"):
        make_optimizer(
            nn.Linear(2, 2), LoopConfig(steps=1, batch_size=1, optimizer="adamw_8bit", learning_rate=1)
        )


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_the_optimizer_takes_what_is_trained_and_muon_only_true_matrices(name):
    model = Parts()
    config = LoopConfig(steps=1, batch_size=1, learning_rate=0.02, adam_learning_rate=0.001, optimizer=name)
    groups = make_optimizer(model, config).param_groups
    rates = {id(p): (group["lr"], group.get("adam", True)) for group in groups for p in group["params"]}
    names = {n: rates[id(p)] for n, p in model.named_parameters() if id(p) in rates}
    assert set(names) == {"conv.weight", "conv.bias", "scale_shift_table", "null_speech"}
    if name == "muon":
        assert {n for n, rate in names.items() if rate == (0.02, False)} == {"conv.weight"}
        assert {n for n, rate in names.items() if rate == (0.001, True)} == set(names) - {"conv.weight"}
    else:
        assert set(names.values()) == {(0.02, True)}
