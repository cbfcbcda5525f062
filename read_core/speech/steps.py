"""Convert speech features, whose windows overlap, to single hidden states and back: five times smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import rearrange

from ..geometry import FEATURES_PER_FRAME
from .features import STEPS_BEFORE, STEPS_PER_FRAME

if TYPE_CHECKING:
    from torch import Tensor


def steps_of(features: Tensor) -> Tensor:
    """S (F, H_w, D_A) of a whole recording -> its hidden states (2 F, layers + 1, D_A)."""
    apart = rearrange(features, "f (step layer) d -> f step layer d", step=STEPS_PER_FRAME)
    own = apart[:, STEPS_BEFORE : STEPS_BEFORE + FEATURES_PER_FRAME]
    steps: Tensor = rearrange(own, "f step layer d -> (f step) layer d")
    return steps


def features_of(steps: Tensor, start: int, stop: int) -> Tensor:
    """S (stop - start, H_w, D_A) of frames [start, stop): the inverse of :func:`steps_of`, in part.

    Steps beyond either end are zero, as in ``WhisperFeatures``.
    """
    low = FEATURES_PER_FRAME * start - STEPS_BEFORE
    high = FEATURES_PER_FRAME * (stop - 1) - STEPS_BEFORE + STEPS_PER_FRAME
    there = steps[max(0, low) : min(len(steps), high)]
    before = there.new_zeros(max(0, -low), *steps.shape[1:])
    after = there.new_zeros(max(0, high - len(steps)), *steps.shape[1:])
    around = torch.cat([before, there, after]).unfold(0, STEPS_PER_FRAME, FEATURES_PER_FRAME)
    features: Tensor = rearrange(around, "f layer d step -> f (step layer) d")
    return features
