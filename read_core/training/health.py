"""Stop a training whose loss or gradient is not finite, before its state is written."""

from __future__ import annotations

from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from ..errors import ReadError


class TrainingError(ReadError):
    """A training cannot go on: its loss or gradient is not finite."""


class Health:
    """The first step whose loss or gradient was not finite, kept on the device: no step waits for it."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.never = torch.iinfo(torch.long).max
        self.first = torch.full((1,), self.never, device=accelerator.device)

    def see(self, step: int, loss: Tensor, norm: Tensor) -> None:
        """Note the loss and the gradient's norm of a step."""
        fine = loss.detach().isfinite()
        if self.accelerator.scaler is None:  # it skips steps whose gradient is not finite
            fine = fine & norm.isfinite()
        self.first = torch.where(fine, self.first, self.first.clamp(max=step))

    def check(self, state: Path | None) -> None:
        """Raise TrainingError if a step was not finite; all processes must call this at the same point.

        Args:
            state: the last state that was written; None: there is none.
        """
        first = int(self.accelerator.gather(self.first).min())
        if first == self.never:
            return
        kept = f"the last good state is {state}" if state else "no state was written before it"
        raise TrainingError(
            f"step {first}: the loss or its gradient is not finite; {kept}. Lower loop.learning_rate, or "
            "use loop.mixed_precision bf16 or no, and run the same command again: it goes on from there"
        )
