"""Seed the noise that some LTX-Video decoders (0.9.1) inject inside their residual blocks.

diffusers draws it from the global generator. Here each block has its own generator, restarted for each slice.
The noise has no time axis, so all slices of a video get the same noise, and chunks fit together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


@contextmanager
def seeded_injection(decoder: nn.Module, seed: int) -> Iterator[None]:
    """Inside this context, the injected noise of ``decoder`` depends only on ``seed`` and the block.

    It is drawn on the decoder's device, as in diffusers, so it differs between kinds of device.
    """
    blocks = [m for m in decoder.modules() if getattr(m, "per_channel_scale1", None) is not None]
    handles = [
        block.register_forward_pre_hook(_with_generator(seed, index), with_kwargs=True)
        for index, block in enumerate(blocks)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _with_generator(seed: int, index: int) -> Any:
    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        inputs, temb = args[0], args[1] if len(args) > 1 else kwargs.get("temb")
        generator = torch.Generator(inputs.device).manual_seed((seed * 1_000_003 + index) % 2**63)
        return (inputs, temb, generator), {}

    return hook
