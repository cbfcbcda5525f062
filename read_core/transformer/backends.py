"""Choose how A2V-DiT computes attention, among diffusers' backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from .model import A2VTransformer3DModel


def set_attention(
    transformer: A2VTransformer3DModel,
    name: str,
    mask: Tensor,
    device: torch.device | None = None,
    instead: str = "leave --attention out",
) -> None:
    """Let ``transformer`` use a backend, after a small trial in its type.

    Args:
        transformer: the model.
        name: as diffusers names it.
        mask: (N,) bool of the prompt's tokens; if it excludes any, the backend must support that.
        device: where the model will run; None: where it is.
        instead: what the error tells to do.

    Raises:
        InputError: there is no such backend, its package is missing, or it does not work here.
    """
    from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

    known = [backend.value for backend in AttentionBackendName]
    if name not in known:
        raise InputError(f"attention is {name!r}; expected one of {', '.join(known)}")
    device = device or transformer.device
    try:
        # Newer diffusers also set it for the whole process; leaving the context undoes that.
        with attention_backend(AttentionBackendName(name)):
            transformer.set_attention_backend(name)
        _try(transformer, mask, device)
    except Exception as error:  # packages of backends raise errors of any kind
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        place = f"on {device} in {str(transformer.dtype).removeprefix('torch.')}"
        raise InputError(
            f"attention {name!r} cannot be used {place} ({reason}); {instead}, or install what it needs"
        ) from error


@torch.no_grad()
def _try(transformer: A2VTransformer3DModel, mask: Tensor, device: torch.device) -> None:
    """Attend once: to all tokens, and to those that the mask (N,) keeps."""
    config, count = transformer.config, len(mask)
    attend = transformer.transformer_blocks[0].attn1.processor
    keeps = mask.to(device, torch.bool)[None, None, None]
    shape = 1, count, config.num_attention_heads, config.attention_head_dim
    tokens = torch.zeros(shape, dtype=transformer.dtype, device=device)
    for each in (None,) if bool(keeps.all()) else (None, keeps):
        attend(tokens, tokens, tokens, each)
