"""Other weights for a checkpoint's A2V-DiT, from a single safetensors file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..safetensors_header import read_tensors
from .ltx import FLOAT8, PREFIX, RENAMES, is_addition, rename
from .model import A2VTransformer3DModel

_SHOWN = 8


def override_weights(model: A2VTransformer3DModel, path: str | Path) -> bool:
    """Replace the weights of ``model`` by those of a file, cast to the model's type.

    The names may be this project's and diffusers', or LTX-Video's original ones; float8 weights are
    multiplied with their ``scale_weight`` where the file has one. A file of LTX-Video alone, without the
    audio branch, replaces everything but that.

    Args:
        model: of the architecture that the file has.
        path: the safetensors file.

    Returns:
        Whether the file had an audio branch.

    Raises:
        CheckpointError: no safetensors file, or tensors that do not fit ``model``.
    """
    path = Path(path)
    weights = _unscaled(read_tensors(path))
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    with_audio = any(is_addition(key) for key in weights)
    wanted = {key: shape for key, shape in expected.items() if with_audio or not is_addition(key)}
    found = {key: tuple(value.shape) for key, value in weights.items()}
    wrong = sorted({key for key, _ in wanted.items() ^ found.items()})
    if wrong:
        shown = ", ".join(f"{key} {found.get(key, 'missing')}" for key in wrong[:_SHOWN])
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise CheckpointError(
            f"{path} does not fit this checkpoint's transformer: {shown}{more}. "
            "Use a file of the same architecture"
        )
    state = {key: value.to(model.dtype) for key, value in weights.items()}
    model.load_state_dict(state, strict=with_audio, assign=True)
    model.requires_grad_(False)
    return with_audio


def original_name(key: str) -> str:
    """The inverse of :func:`read_core.transformer.ltx.rename`, without the prefix."""
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
