"""Weights of the small networks (readers, face finder): one file each, float16 on disk, float32 in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .files import read_tensors
from .strict import load_strict

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T", bound="nn.Module")


def load_bundled(model: T, file: Path) -> T:
    """Load the weights of ``file`` into ``model``; return it in float32, frozen.

    Raises:
        CheckpointError: the file is not a safetensors file, or tensors do not fit ``model``.
    """
    tensors = {name: value.float() for name, value in read_tensors(file).items()}
    what = f"{file} does not fit {type(model).__name__}"
    load_strict(model, tensors, what, "Install the package again, or fit the network again")
    return model.eval().requires_grad_(False)


def save_bundled(model: nn.Module, file: Path) -> None:
    """Write the weights of ``model`` for :func:`load_bundled`."""
    from safetensors.torch import save_file

    save_file({name: value.half().contiguous() for name, value in model.state_dict().items()}, file)
