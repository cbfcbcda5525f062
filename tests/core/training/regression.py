"""A small stage for the tests of the loop."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import Dataset

from read_core.training.config import LoopConfig

STEPS = 12


class Numbers(Dataset):
    """Sample i is a function of i; remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.asked.append(index)
        return {"x": torch.randn(6, generator=torch.Generator().manual_seed(index))}


class Regression:
    """A small stage whose loss also draws from its samples' noise and from the global one."""

    def __init__(self, seed: int = 0, dropout: float = 0.2) -> None:
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(dropout), nn.LayerNorm(8), nn.Linear(8, 6))
        self.dataset = Numbers()
        self.fails = False

    def prepare(self, device: torch.device) -> None:
        pass

    def loss(self, model, batch, noise):
        target = batch["x"].flip(1) + 0.1 * noise.normal(6)
        loss = (model(batch["x"]) - target).square().mean()
        return loss, {"double": 2 * loss.detach()}

    def sheet(self, model: nn.Module, path: Path) -> None:
        assert not model.training
        save_file(model.state_dict(), path)

    def export(self, model: nn.Module, folder: Path) -> dict[str, float]:
        save_file(model.state_dict(), folder / "weights.safetensors")
        if self.fails:
            raise RuntimeError("out of disk")
        return {"count": float(len(model.state_dict()))}


def loop_config(**changes) -> LoopConfig:
    values = {"steps": STEPS, "batch_size": 3, "learning_rate": 0.02, "warmup": 3, "ema": 0.9, "log_every": 1}
    return LoopConfig(**{**values, **changes})


def exported(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "export" / "weights.safetensors")


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
