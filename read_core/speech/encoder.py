"""The kinds of models that make the speech codes of a checkpoint."""

from __future__ import annotations

from .average_pool import AveragePool
from .linear_projection import LinearProjection
from .speech_ae import SpeechAE

SpeechEncoder = SpeechAE | AveragePool | LinearProjection
"""The paper's, or that of an ablation of it."""
