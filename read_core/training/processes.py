"""The processes that train together: one alone, or what ``torchrun`` or ``accelerate launch`` starts."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import broadcast

PATIENCE = timedelta(hours=6)
"""How long processes wait for each other: the main one may solve a linear start or draw a contact sheet."""


def processes() -> PartialState:
    """All of them and which one this is; the first call in each process joins them."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def agreed(decision: bool) -> bool:
    """What the main process decided, in every process; all of them must call this at the same point."""
    state = processes()
    if state.num_processes == 1:
        return decision
    return bool(broadcast(torch.tensor(int(decision), device=state.device)))
