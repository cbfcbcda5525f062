"""Choose how A2V-DiT computes attention, among diffusers' backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..errors import InputError

if TYPE_CHECKING:
    from ..checkpoint import Prompt
    from .model import A2VTransformer3DModel


def set_attention(transformer: A2VTransformer3DModel, name: str, prompt: Prompt) -> None:
    """Let ``transformer`` use a backend, after a small trial on its device and in its type.

    Args:
        transformer: on the device that it will run on.
        name: as diffusers names it.
        prompt: the text that the model will see; if its mask excludes tokens, the backend must support that.

    Raises:
        InputError: there is no such backend, its package is missing, or it does not work here.
    """
    from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

    known = [backend.value for backend in AttentionBackendName]
    if name not in known:
        raise InputError(f"attention is {name!r}; expected one of {', '.join(known)}")
    try:
        # Newer diffusers also set it for the whole process; leaving the context undoes that.
        with attention_backend(AttentionBackendName(name)):
            transformer.set_attention_backend(name)
        _try(transformer, prompt)
    except Exception as error:  # packages of backends raise errors of any kind
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        place = f"on {transformer.device} in {str(transformer.dtype).removeprefix('torch.')}"
        raise InputError(
            f"attention {name!r} cannot be used {place} ({reason}); leave --attention out, or install "
            "what it needs"
        ) from error


@torch.no_grad()
def _try(transformer: A2VTransformer3DModel, prompt: Prompt) -> None:
    """Attend once: to all tokens, and to those that the prompt's mask keeps."""
    config, count = transformer.config, len(prompt.mask)
    attend = transformer.transformer_blocks[0].attn1.processor
    mask = prompt.mask.to(transformer.device, torch.bool)[None, None, None]
    tokens = torch.zeros(
        (1, count, config.num_attention_heads, config.attention_head_dim),
        dtype=transformer.dtype,
        device=transformer.device,
    )
    for each in (None,) if bool(mask.all()) else (None, mask):
        attend(tokens, tokens, tokens, each)
