"""Recognize and refuse files with float8 tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError

if TYPE_CHECKING:
    from .files import TensorInfo

FLOAT8 = ("F8_E4M3", "F8_E5M2")
"""As the headers of safetensors files name them."""


def float8_names(header: Mapping[str, TensorInfo]) -> list[str]:
    """The tensors of a file that are stored in float8."""
    return [name for name, info in header.items() if info.dtype in FLOAT8 and info.numel]


TRAINING = "training needs full precision, which float8 does not have"
CODEC = "no release stores the autoencoder in float8"


def refuse_float8(path: Path, header: Mapping[str, TensorInfo], why: str = TRAINING) -> None:
    """Refuse a file with float8 tensors.

    Raises:
        CheckpointError: it has some.
    """
    found = float8_names(header)
    if found:
        raise CheckpointError(
            f"{path} holds {len(found)} float8 tensors, such as {found[0]} ({header[found[0]].dtype}); "
            f"{why}. Use the bfloat16 file of the same release"
        )
