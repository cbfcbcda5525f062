"""Support diffusers' group offloading in methods other than ``forward``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def onloaded(module: nn.Module) -> Iterator[None]:
    """Keep the weights of ``module`` on its compute device inside this context.

    Group offloading (``enable_group_offload``) loads weights for a call of ``forward`` and unloads them
    afterwards. Other methods must use weights inside this context. For a whole model it loads only the
    weights outside its blocks, so a block needs another context if it is not called. Without offloading this
    does nothing.
    """
    registry = getattr(module, "_diffusers_hook", None)
    hook = None if registry is None else registry.get_hook("group_offloading")
    if hook is None:
        yield
        return
    hook.group.onload_()
    if hook.group.stream is not None:
        hook.group.stream.synchronize()
    try:
        yield
    finally:
        hook.group.offload_()
