"""Replace the weights of a checkpoint's A2V-DiT by those of a single safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .files import read_tensors
from .ltx_transformer import FLOAT8, PREFIX, RENAMES, is_addition, rename
from .strict import load_strict

if TYPE_CHECKING:
    from ..transformer import A2VTransformer3DModel


def override_weights(model: A2VTransformer3DModel, path: str | Path) -> bool:
    """Replace the weights of ``model`` by those of a file, cast to the model's type.

    Names may be this project's and diffusers', or LTX-Video's original ones. float8 weights are multiplied by
    their ``scale_weight`` if the file has one. A file without the audio branch (LTX-Video alone) replaces
    everything else.

    Args:
        model: a model with the file's architecture.
        path: the safetensors file.

    Returns:
        Whether the file had an audio branch.

    Raises:
        CheckpointError: the file is not a safetensors file, or tensors do not fit ``model``.
    """
    path = Path(path)
    weights = _unscaled(read_tensors(path))
    with_audio = any(is_addition(key) for key in weights)
    load_strict(
        model,
        {key: value.to(model.dtype) for key, value in weights.items()},
        f"{path} does not fit this checkpoint's transformer",
        "Use a file of the same architecture",
        absent=None if with_audio else is_addition,
    )
    model.requires_grad_(False)
    return with_audio


def original_name(key: str) -> str:
    """The inverse of :func:`read_core.weights.ltx_transformer.rename`, without the prefix."""
    for original, name in RENAMES:
        key = key.replace(name, original)
    return key


def _unscaled(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The transformer's tensors of a file under diffusers' names, float8 ones with their scales applied."""
    if any(key.startswith(PREFIX) for key in tensors):
        tensors = {key: value for key, value in tensors.items() if key.startswith(PREFIX)}
    named = {rename(key.removeprefix("diffusion_model.")): value for key, value in tensors.items()}
    named.pop("scaled_fp8", None)  # a marker without content
    scales = {key: named.pop(key) for key in list(named) if key.endswith((".scale_weight", ".scale_input"))}
    for key, value in named.items():
        if value.dtype in FLOAT8:
            scale = scales.get(f"{key.removesuffix('.weight')}.scale_weight")
            named[key] = value.to(torch.float32) * (1 if scale is None else scale.float())
    return named
