"""Reads what a safetensors file holds from its header alone, and tells a damaged file from a whole one."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

SINGLE_FILES = ("diffusion_pytorch_model.safetensors", "model.safetensors")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
FLOATS = ("F64", "F32", "F16", "BF16")
_FLOAT_NAMES = " or ".join(FLOATS)
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: its safetensors dtype ("F32", "BF16", ..), shape and bytes."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


def read_header(file: Path) -> dict[str, TensorInfo]:
    """The tensors of one safetensors file by name.

    Raises:
        CheckpointError: no such file, not a safetensors file, or its size is not what its header says.
    """
    if not file.is_file():
        raise CheckpointError(f"{file} is missing; expected weights in safetensors format")
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if not 2 <= length <= size - _LENGTH_BYTES:
            raise CheckpointError(
                f"{file} is truncated or not a safetensors file ({size} bytes, header {length}); get it anew"
            )
        raw = stream.read(length)
    try:
        entries: dict[str, Any] = json.loads(raw)
        entries.pop("__metadata__", None)
        tensors = {name: _tensor_info(entry) for name, entry in entries.items()}
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"{file} is not a safetensors file: its header cannot be read ({error})"
        ) from error
    expected = _LENGTH_BYTES + length + end
    if size != expected:
        raise CheckpointError(
            f"{file} is truncated or damaged: {size} bytes, expected {expected}; get it anew"
        )
    return tensors


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors themselves, on the CPU.

    Raises:
        CheckpointError: as :func:`read_header`, or the header does not fit the tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    read_header(file)  # its messages are better
    try:
        return load_file(file)
    except SafetensorError as error:
        raise CheckpointError(f"{file} is damaged ({error}); get it anew") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model saved by diffusers or transformers: one, or the shards of its index.

    Raises:
        CheckpointError: there is none, or there are pickles, which are never opened.
    """
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is missing; expected a folder with config.json and safetensors weights"
        )
    pickles = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in PICKLES)
    if pickles:
        raise CheckpointError(
            f"{folder} holds pickles, which can run code and are never opened: {', '.join(pickles)}; "
            "convert them to safetensors and remove them"
        )
    for name in SINGLE_FILES:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = read_json(index).get("weight_map")
            if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
                raise CheckpointError(
                    f"{index} has no weight_map that names a file for each tensor; get it anew"
                )
            return [folder / Path(shard).name for shard in sorted(set(shards.values()))]
    raise CheckpointError(f"{folder} has no weights; expected {' or '.join(SINGLE_FILES)}")


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file (CheckpointError if it is missing or something else)."""
    if not os.access(file, os.R_OK) or not file.is_file():
        raise CheckpointError(f"{file} is missing or may not be read; is the folder a complete checkpoint?")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{file} holds a {type(values).__name__}; expected a JSON object")
    return values


def _tensor_info(entry: dict[str, Any]) -> TensorInfo:
    start, end = entry["data_offsets"]
    return TensorInfo(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]), int(end) - int(start))


def differences(
    header: Mapping[str, TensorInfo], expected: Mapping[str, tuple[int, ...]], floats: set[str]
) -> list[str]:
    """What is missing, foreign, or of another shape or type in a header, in words.

    Args:
        expected: the shape of each tensor by name.
        floats: names of those that are floating point; the others are boolean.
    """
    both = [name for name in expected if name in header]
    return [
        *(f"missing {name}" for name in expected if name not in header),
        *(f"foreign {name}" for name in header if name not in expected),
        *(
            f"{name} has shape {header[name].shape}, expected {expected[name]}"
            for name in both
            if header[name].shape != expected[name]
        ),
        *(
            f"{name} has type {header[name].dtype}, expected {_FLOAT_NAMES if name in floats else 'BOOL'}"
            for name in both
            if (header[name].dtype in FLOATS) != (name in floats)
        ),
    ]
