"""The text embedding of a training: LTX-Video's T5 embedding of a text, or fixed random tokens."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...checkpoint import Prompt, load_prompt
from ...weights.origin import read_origin
from ..config import ConfigError


def training_prompt(file: Path | None, tokens: int, channels: int) -> Prompt:
    """The tokens that count of the embedding in ``file``; without a file, ``tokens`` random ones.

    Raises:
        CheckpointError: the file is missing or damaged, or its embedding has not ``channels`` channels.
    """
    if file is None:
        embedding = make_prompt(tokens, channels)[0]
    else:
        loaded = load_prompt(file, channels)
        embedding = loaded.embedding[loaded.mask].float()
    return Prompt(embedding, torch.ones(len(embedding), dtype=torch.bool))


def make_prompt(tokens: int, channels: int) -> Tensor:
    """The fixed prompt of models without a text encoder: (1, tokens, channels), always the same."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, tokens, channels, generator=generator)


def refuse_random(file: Path | None, weights: Path | None, published: bool = False) -> None:
    """Raise ConfigError if there is no ``file`` for ``weights`` that come from LTX-Video.

    Random tokens would spoil its text branch: texts from T5 would then mean nothing.

    Args:
        file: the text embedding.
        weights: folder of a transformer; None: random weights.
        published: the folder is LTX-Video's; else its ``origin.json`` tells.
    """
    if file is None and weights is not None and (published or read_origin(weights) is not None):
        raise ConfigError(
            f"prompt is not given, and the transformer in {weights} comes from LTX-Video, whose text branch "
            "random tokens would spoil; set prompt to a file with the T5 embedding of a text "
            "(see docs/full-size.md)"
        )
