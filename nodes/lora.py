"""LoRA as the host's patches on the transformer; the weights themselves stay as they are."""

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
_KIND = re.compile(r"[._]lora[._].*$|\.[^.]+$")  # what follows a layer's name


def with_lora(patcher: WholePatcher, file: str, strength: float) -> tuple[WholePatcher, str]:
    """A clone of the transformer's patcher that adds a LoRA.

    Args:
        patcher: of a model ``transformer``.
        file: a LoRA under diffusers', ComfyUI's or kohya's names.
        strength: its factor.

    Returns:
        The clone, and in words how much of the file it uses.

    Raises:
        CheckpointError: the file is no safetensors file, is damaged, nothing in it fits or something has
            another shape than the weight that it is for.
    """
    from ..read_core.errors import CheckpointError
    from ..read_core.weights.files import read_tensors

    weights = read_tensors(Path(file))
    try:
        patches = comfy.lora.load_lora(weights, _names(patcher.model.transformer))
    except KeyError as error:
        raise CheckpointError(f"{file} is damaged: it lacks {error}; get it anew") from error
    if not patches:
        raise CheckpointError(
            f"{file} holds no LoRA for this transformer, as {next(iter(weights), 'nothing at all')}; "
            "expected one made for this checkpoint, or for LTX-Video of its size"
        )
    _check_shapes(file, patches, patcher.model.state_dict())
    clone = patcher.clone()
    clone.add_patches(patches, strength)
    used = {name.rpartition(".")[0] for name in patches}
    return clone, f"LoRA: {len(used)} of its {len({_KIND.sub('', key) for key in weights})} layers used."


def _check_shapes(file: str, patches: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse what the host would only leave out, with a line in its log."""
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
    """Of what a patch of the host's adds to a weight; None: it is no LoRA, or its halves do not match."""
    if isinstance(patch, tuple):  # whole differences
        return tuple(patch[1][0].shape)
    if patch.name != "lora":
        return None
    up, down = (half.reshape(len(half), -1) for half in patch.weights[:2])
    return (up.shape[0], down.shape[1]) if up.shape[1] == down.shape[0] else None


def _names(transformer: torch.nn.Module) -> dict[str, str]:
    """What LoRA files may call each weight -> its name in the patcher."""
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
