"""Optimizers: AdamW in three forms, and Muon for matrices and convolutions with AdamW for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn

from ..video.aligned import PositionwiseLinear
from .config import ConfigError, LoopConfig

_SUB_PIXELS = 8
"""Sub-pixels of the VAE's upsamplers: 2 x 2 x 2."""


def orthogonalize(matrix: Tensor, steps: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """Nearest semi-orthogonal matrices (..., rows, columns), by a quintic Newton-Schulz iteration.

    ``dtype`` is the type of the iteration; None: the matrix's type.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = (matrix / (matrix.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype or matrix.dtype)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with orthogonalized updates; groups with ``adam=True`` use AdamW instead.

    A convolution counts as one matrix (out, in * taps). In groups with ``parts=p`` it counts as p matrices:
    row i belongs to part i mod p, as in a convolution that makes p sub-pixels or a ``PositionwiseLinear``.
    The update of a matrix has the root mean square of a step of size ``lr`` on an orthogonal matrix, scaled
    by sqrt(max(1, rows / columns)).

    Processes that train together have the same gradients. Each orthogonalizes its share of the matrices,
    which is most of the work, and sends the result to the others.

    Args:
        groups: parameter groups, as for every torch optimizer.
        dtype: type of the orthogonalizing iteration; None: the parameters' type.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], dtype: torch.dtype | None = None) -> None:
        self.dtype = dtype
        defaults = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.0, "adam": False, "parts": 1}
        super().__init__(groups, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient."""
        loss = closure() if closure is not None else None
        world, rank = shared_by()
        for group in self.param_groups:
            found = [p for p in group["params"] if p.grad is not None]
            updates = [
                self._adam(p) if group["adam"] else self._direction(p, group["momentum"]) for p in found
            ]
            if not group["adam"]:
                owners = _owners(found, world)
                for update, owner in zip(updates, owners, strict=True):
                    if owner == rank:
                        self._orthogonalized(update, group["parts"])
                if world > 1:
                    for update, owner in zip(updates, owners, strict=True):
                        torch.distributed.broadcast(update, owner)
            for p, update in zip(found, updates, strict=True):
                if group["weight_decay"]:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(update, alpha=group["lr"])
        return loss

    def _adam(self, p: Tensor) -> Tensor:
        grad, state = p.grad, self.state[p]
        assert grad is not None
        if not state:
            state.update(step=torch.zeros(()), first=torch.zeros_like(p), second=torch.zeros_like(p))
        state["step"] += 1
        state["first"].lerp_(grad, 0.1)
        state["second"].lerp_(grad.square(), 0.01)
        count = state["step"].item()
        first = state["first"] / (1 - 0.9**count)
        second = state["second"] / (1 - 0.99**count)
        update: Tensor = first / (second.sqrt() + 1e-8)
        return update

    def _direction(self, p: Tensor, momentum: float) -> Tensor:
        grad, state = p.grad, self.state[p]
        assert grad is not None
        if not state:
            state["momentum"] = torch.zeros_like(p)
        buffer: Tensor = state["momentum"].lerp_(grad, 1 - momentum)
        return grad.lerp(buffer, momentum)

    def _orthogonalized(self, direction: Tensor, parts: int) -> None:
        """Turn a direction into its update, in place."""
        matrices = direction.flatten(1)
        matrices = matrices.view(-1, parts, matrices.shape[1]).transpose(0, 1)
        _, rows, columns = matrices.shape
        update = orthogonalize(matrices, dtype=self.dtype).mul_(max(1.0, rows / columns) ** 0.5)
        direction.copy_(update.transpose(0, 1).reshape(direction.shape))


def shared_by() -> tuple[int, int]:
    """The number of processes that train together, and the index of this one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 1, 0
    return torch.distributed.get_world_size(), torch.distributed.get_rank()


def _owners(parameters: Sequence[Tensor], world: int) -> list[int]:
    """The process for each matrix: the largest first, each to the process with the least work."""
    work = [p.numel() * min(p.shape[0], p[0].numel()) for p in parameters]
    load, owners = [0] * world, [0] * len(work)
    for index in sorted(range(len(work)), key=lambda i: -work[i]):
        owners[index] = load.index(min(load))
        load[owners[index]] += work[index]
    return owners


def make_optimizer(model: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """The optimizer chosen by ``config``, over the parameters of ``model`` that require gradients.

    Raises:
        ConfigError: it needs a package that is not installed.
    """
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if config.optimizer != "muon":
        return _adamw([p for _, p in trainable], config)
    matrices = [p for name, p in trainable if p.ndim >= 2 and "table" not in name and "null" not in name]
    parts = {id(p): _SUB_PIXELS if "upsamplers" in name else 1 for name, p in trainable}
    for module in model.modules():
        if isinstance(module, PositionwiseLinear):
            parts[id(module.weight)] = module.grid[0] * module.grid[1]
    chosen = {id(p) for p in matrices}
    others = [p for _, p in trainable if id(p) not in chosen]
    rates = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    groups: list[dict[str, Any]] = [
        {"params": found, "parts": count, **rates}
        for count in sorted(set(parts.values()))
        if (found := [p for p in matrices if parts[id(p)] == count])
    ]
    if others:
        groups.append({"params": others, "lr": config.adam_learning_rate, "adam": True})
    return Muon(groups, torch.bfloat16 if config.mixed_precision == "bf16" else None)


def _adamw(parameters: list[nn.Parameter], config: LoopConfig) -> torch.optim.Optimizer:
    rates: dict[str, Any] = {
        "lr": config.learning_rate,
        "betas": (0.9, 0.98),
        "weight_decay": config.weight_decay,
    }
    if config.optimizer == "adamw_8bit":
        try:
            from torchao.optim import AdamW8bit
        except ImportError as error:
            raise ConfigError(
                "loop.optimizer is adamw_8bit, which needs the package torchao: "
                "pip install -e '.[low-bit]', or use adamw"
            ) from error
        eight: torch.optim.Optimizer = AdamW8bit(parameters, **rates)
        return eight
    return torch.optim.AdamW(parameters, fused=config.optimizer == "adamw_fused" or None, **rates)


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set the learning rate of a parameter group; some optimizers hold it in a tensor."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
