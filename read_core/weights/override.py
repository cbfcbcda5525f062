"""Replace the weights of a checkpoint's A2V-DiT by those of a single safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import CheckpointError
from .files import read_tensors
from .fingerprint import weights_print
from .ltx_transformer import PREFIX, RENAMES, is_addition, rename
from .strict import load_strict

if TYPE_CHECKING:
    from ..transformer import A2VTransformer3DModel

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


def override_weights(model: A2VTransformer3DModel, path: str | Path) -> bool:
    """Replace the weights of ``model`` by those of a file, cast to the model's type.

    Names may be this project's and diffusers', or LTX-Video's original ones. float8 weights are multiplied by
    their ``scale_weight``; without it they are refused. A file without the audio branch (LTX-Video alone)
    replaces everything else.

    Args:
        model: a model with the file's architecture.
        path: the safetensors file.

    Returns:
        Whether the file had an audio branch.

    Raises:
        CheckpointError: the file is not a safetensors file, has float8 weights without a scale, or tensors do
            not fit ``model``.
    """
    path = Path(path)
    weights = _unscaled(path)
    with_audio = any(is_addition(key) for key in weights)
    load_strict(
        model,
        {key: value.to(model.dtype) for key, value in weights.items()},
        f"{path} does not fit this checkpoint's transformer",
        "Use a file of the same architecture",
        absent=None if with_audio else is_addition,
    )
    model.requires_grad_(False)
    model.replaced_print = weights_print(model.state_dict())
    return with_audio


def original_name(key: str) -> str:
    """The inverse of :func:`read_core.weights.ltx_transformer.rename`, without the prefix."""
    for original, name in RENAMES:
        key = key.replace(name, original)
    return key


def _unscaled(path: Path) -> dict[str, Tensor]:
    """The transformer's tensors of a file under diffusers' names, float8 ones with their scales applied."""
    tensors = read_tensors(path)
    if any(key.startswith(PREFIX) for key in tensors):
        tensors = {key: value for key, value in tensors.items() if key.startswith(PREFIX)}
    named = {rename(key.removeprefix("diffusion_model.")): value for key, value in tensors.items()}
    named.pop("scaled_fp8", None)  # a marker without content
    scales = {key: named.pop(key) for key in list(named) if key.endswith((".scale_weight", ".scale_input"))}
    small = {
        key: f"{key.removesuffix('.weight')}.scale_weight" for key in named if named[key].dtype in FLOAT8
    }
    without = [key for key, scale in small.items() if scale not in scales]
    if without:
        raise CheckpointError(
            f"{path} has {len(without)} float8 tensors without a scale, such as {without[0]}; float8 needs a "
            "scale_weight for each, or the numbers mean something else. Use the scaled float8 file or the "
            "bfloat16 file of the same weights"
        )
    for key, scale in small.items():
        named[key] = named[key].to(torch.float32) * scales[scale].float()
    return named
