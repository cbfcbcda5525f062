"""What the trainings of the small networks in ``eyelids/``, ``face/`` and ``mouth/`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.optim.lr_scheduler import OneCycleLR

if TYPE_CHECKING:
    from torch import nn

_FEWEST = 3  # steps that the schedule can plan


def one_cycle(optimizer: torch.optim.Optimizer, steps: int, warmup: int) -> OneCycleLR:
    """A schedule over ``steps``: the rate rises to the optimizer's for ``warmup`` of them, at most half."""
    peak = [float(group["lr"]) for group in optimizer.param_groups]
    return OneCycleLR(optimizer, peak, max(_FEWEST, steps), pct_start=min(0.5, warmup / steps))


@torch.no_grad()
def update_average(mean: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move the running mean of weights and statistics towards those of ``model``, further in early steps."""
    now, kept = model.state_dict(), min(decay, (step + 1) / (step + 10))
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - kept)
