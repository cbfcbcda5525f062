"""Text embeddings of items of footage. Items without one share a common embedding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...checkpoint import load_prompt
from ...footage.manifest import Item
from ...weights.files import read_header
from ..config import ConfigError

SUFFIX = ".prompt.safetensors"


def caption_of(item: Path) -> Path | None:
    """The file of an item's text embedding: its own, or that of its video; None: it has none."""
    own, video = item.with_suffix(SUFFIX), item.with_name(SUFFIX.removeprefix("."))
    return next((file for file in (own, video) if file.is_file()), None)


def prompt_file(text: Path) -> Path:
    """Where the embedding of a text belongs: ``0000.txt`` is of an item, ``prompt.txt`` of a whole video."""
    video = SUFFIX.removeprefix(".")
    return text.with_name(video) if text.name == "prompt.txt" else text.with_suffix(SUFFIX)


class Captions:
    """Text embeddings by item, padded to one length; read from the disk each time.

    Args:
        items: in the order of the dataset.
        common: (S, D) of items without their own.

    Raises:
        ConfigError: no item has its own.
    """

    def __init__(self, items: Sequence[Item], common: Tensor) -> None:
        self.files, self.common = [caption_of(item.path) for item in items], common
        found = [file for file in self.files if file is not None]
        if not found:
            raise ConfigError(
                f"captions is true, and no item has one; expected files such as "
                f"{items[0].path.with_suffix(SUFFIX)} (see docs/full-size.md)"
            )
        self.length = max(len(common), *(read_header(file)["embedding"].shape[0] for file in found))

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        file = self.files[index]
        if file is None:
            return self.padded(self.common)
        loaded = load_prompt(file, self.common.shape[1])
        return self.padded(loaded.embedding[loaded.mask].float())

    def padded(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """(S, D) of the common length, and (S,) bool, True for tokens that count."""
        missing = self.length - len(embedding)
        mask = torch.arange(self.length) < len(embedding)
        return torch.nn.functional.pad(embedding, (0, 0, 0, missing)), mask
