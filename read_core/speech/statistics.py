"""Mean and deviation of the speech features, used by their encoders to standardize them."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import torch
from diffusers import ModelMixin
from torch import Tensor

from ..errors import InputError
from ..geometry import FRAMES_PER_LATENT
from ..saved_keys import SavedKeys

STATISTICS = ("speech_mean", "speech_std")


class FeatureStatistics(ModelMixin, SavedKeys):  # type: ignore[misc]
    """Base of the models that encode speech features: feature statistics, float32 in any precision.

    They are per window position and channel, (H_w, D_A), and measured in training.
    """

    saved_keys = MappingProxyType({"speech_dim": "feature_dim"})
    speech_mean: Tensor
    speech_std: Tensor

    def register_statistics(self, speech_window: int, feature_dim: int) -> None:
        """Create the buffers with mean 0 and deviation 1."""
        self.register_buffer("speech_mean", torch.zeros(speech_window, feature_dim))
        self.register_buffer("speech_std", torch.ones(speech_window, feature_dim))

    def standardize(self, speech: Tensor) -> Tensor:
        """Standardize features (..., H_w, D_A) by mean and deviation of the training data, float32."""
        return (speech.to(self.speech_mean.dtype) - self.speech_mean) / self.speech_std

    def after_context(self, speech: Tensor, context: Tensor | None, count: int) -> Tensor:
        """``count`` frames of context and then ``speech``, standardized, float32.

        Args:
            speech: S, (B, F, H_w, D_A) with F = 8 (L - 1) + 1.
            context: (B, at least ``count``, H_w, D_A), the frames before; None: the first frame repeated.
            count: how many of them count.

        Returns:
            (B, count + F, H_w, D_A).

        Raises:
            InputError: F is not 8 (L - 1) + 1.
        """
        if (speech.shape[1] - 1) % FRAMES_PER_LATENT:
            raise InputError(
                f"speech has {speech.shape[1]} frames; expected 8 (L - 1) + 1, for example 1, 9 or 121"
            )
        if context is None:
            context = speech[:, :1].expand(-1, count, -1, -1)
        return self.standardize(torch.cat([context[:, -count:], speech], dim=1))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Apply ``to``, ``half`` and similar to every tensor, but keep the type of the statistics."""
        kept = {name: getattr(self, name) for name in STATISTICS}
        super()._apply(fn, recurse)
        for name, before in kept.items():
            after = getattr(self, name)
            if torch.finfo(after.dtype).bits < torch.finfo(torch.float32).bits and not before.is_meta:
                setattr(self, name, before.to(after.device, torch.float32))
        return self
