"""The processes that train together: one, or those started by ``torchrun`` or ``accelerate launch``."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import broadcast

from .config import LoopConfig

PATIENCE = timedelta(hours=6)
"""Time limit for waiting: the main process may solve a linear start or draw a contact sheet."""


def processes() -> PartialState:
    """The group of processes and the index of this one; the first call in each process joins the group."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def samples_per_step(config: LoopConfig) -> int:
    """The samples of one optimizer step, in all processes."""
    return config.batch_size * config.accumulate * int(processes().num_processes)


def agreed(decision: bool) -> bool:
    """Return the main process's value in every process; all must call this at the same point."""
    state = processes()
    if state.num_processes == 1:
        return decision
    return bool(broadcast(torch.tensor(int(decision), device=state.device)))
