"""Read safetensors files: headers, tensors, and the files of a model's folder. Never opens pickles."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from ..errors import CheckpointError
from .strict import FLOATS

if TYPE_CHECKING:
    from torch import Tensor

SINGLE_FILES = ("diffusion_pytorch_model.safetensors", "model.safetensors")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: its safetensors dtype ("F32", "BF16", ..) and shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    def is_floating_point(self) -> bool:
        """Whether they are floating point."""
        return self.dtype in FLOATS


def read_header(file: Path) -> dict[str, TensorInfo]:
    """Read the tensors of one safetensors file by name, from only its header.

    Raises:
        CheckpointError: the file is missing, not a safetensors file, or its size does not match its header.
    """
    with _opened(file, "numpy") as content:
        slices = {name: content.get_slice(name) for name in content.keys()}  # noqa: SIM118
        return {n: TensorInfo(s.get_dtype(), tuple(s.get_shape())) for n, s in slices.items()}


def read_metadata(file: Path) -> dict[str, str]:
    """Read the metadata texts in a file's header.

    Raises:
        CheckpointError: as :func:`read_header`.
    """
    with _opened(file, "numpy") as content:
        return dict(content.metadata() or {})


def read_tensors(file: Path, prefix: str = "") -> dict[str, Tensor]:
    """Read the tensors whose names start with ``prefix``, on the CPU.

    Raises:
        CheckpointError: as :func:`read_header`.
    """
    with _opened(file, "pt") as content:
        return {
            name: content.get_tensor(name)
            for name in content.keys()  # noqa: SIM118
            if name.startswith(prefix)
        }


@contextmanager
def _opened(file: Path, framework: str) -> Iterator[Any]:
    if not file.is_file():
        raise CheckpointError(f"{file} is missing; expected weights in safetensors format")
    try:
        with safe_open(str(file), framework) as content:
            yield content
    except SafetensorError as error:
        raise CheckpointError(
            f"{file} is truncated, damaged or not a safetensors file ({error}); "
            "pickled weights are never opened. Copy or download it again"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model saved by diffusers or transformers: one, or the shards of its index.

    Raises:
        CheckpointError: there are none.
    """
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is missing; expected a folder with config.json and safetensors weights"
        )
    for name in SINGLE_FILES:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = read_json(index).get("weight_map")
            if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
                raise CheckpointError(
                    f"{index} has no weight_map that names a file for each tensor; download it again"
                )
            return [folder / Path(shard).name for shard in sorted(set(shards.values()))]
    refuse_pickles(folder)
    raise CheckpointError(f"{folder} has no weights; expected {' or '.join(SINGLE_FILES)}")


def refuse_pickles(folder: Path) -> None:
    """Raise CheckpointError if a folder contains pickles."""
    pickles = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in PICKLES)
    if pickles:
        raise CheckpointError(
            f"{folder} contains pickles, which can run code and are never opened: {', '.join(pickles)}; "
            "convert them to safetensors and remove them"
        )


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object from a file (CheckpointError if it is missing or not an object)."""
    if not os.access(file, os.R_OK) or not file.is_file():
        raise CheckpointError(f"{file} is missing or may not be read; is the folder a complete checkpoint?")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{file} holds a {type(values).__name__}; expected a JSON object")
    return values
