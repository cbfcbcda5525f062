"""Apply a LoRA as patches of the host; the stored weights do not change."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.lora

from .placement import WholePatcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

_SHOWN = 3
_KIND = re.compile(r"[._]lora[._].*$|\.[^.]+$")  # the part after a layer's name


def with_lora(patcher: WholePatcher, file: str, strength: float) -> tuple[WholePatcher, str]:
    """Clone the transformer's patcher and add a LoRA to the clone.

    Args:
        patcher: the patcher of A2V-DiT.
        file: a LoRA with diffusers', ComfyUI's or kohya's names.
        strength: factor of the LoRA.

    Returns:
        The clone, and a text that says how many layers of the file it uses.

    Raises:
        CheckpointError: the file is damaged or not a safetensors file, nothing in it fits, or a shape does
            not match its weight.
    """
    from ..read_core.errors import CheckpointError
    from ..read_core.weights.files import read_tensors

    weights = read_tensors(Path(file))
    try:
        patches = comfy.lora.load_lora(weights, _names(patcher.model.transformer))
    except KeyError as error:
        raise CheckpointError(f"{file} is damaged: {error} is missing; download it again") from error
    if not patches:
        raise CheckpointError(
            f"{file} holds no LoRA for this transformer (found: {next(iter(weights), 'nothing')}); "
            "expected one made for this checkpoint, or for LTX-Video of its size"
        )
    _check_shapes(file, patches, patcher.model.state_dict())
    clone = patcher.clone()
    clone.add_patches(patches, strength)
    used = {name.rpartition(".")[0] for name in patches}
    return clone, f"LoRA: {len(used)} of its {len({_KIND.sub('', key) for key in weights})} layers used."


def _check_shapes(file: str, patches: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse patches with a wrong shape; the host would only skip them with a line in its log."""
    from ..read_core.errors import CheckpointError

    expected = {name: tuple(weight.shape) for name, weight in weights.items()}
    wrong = [
        f"{name.removeprefix('transformer.')} is {_shape(patch) or 'no LoRA'}, not {expected.get(name)}"
        for name, patch in patches.items()
        if _shape(patch) != expected.get(name)
    ]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise CheckpointError(
            f"{file} does not fit this transformer: {'; '.join(wrong[:_SHOWN])}{more}. "
            "Use a LoRA made for this checkpoint, or for LTX-Video of its size"
        )


def _shape(patch: Any) -> tuple[int, ...] | None:
    """Shape that a patch of the host adds to a weight; None: not a LoRA, or its halves do not match."""
    if isinstance(patch, tuple):  # whole differences
        return tuple(patch[1][0].shape)
    if patch.name != "lora":
        return None
    up, down = (half.reshape(len(half), -1) for half in patch.weights[:2])
    return (up.shape[0], down.shape[1]) if up.shape[1] == down.shape[0] else None


def _names(transformer: torch.nn.Module) -> dict[str, str]:
    """Names of weights in LoRA files -> name in the patcher."""
    from ..read_core.weights.override import original_name

    names: dict[str, str] = {}
    for name in transformer.state_dict():
        if name.endswith(".weight"):
            own, original = name.removesuffix(".weight"), original_name(name).removesuffix(".weight")
            target = f"transformer.{name}"
            for alias in (own, f"transformer.{own}", f"diffusion_model.{original}"):
                names[alias] = target
            for prefix in ("lora_unet_", "lora_transformer_"):
                names[prefix + original.replace(".", "_")] = target
    return names
