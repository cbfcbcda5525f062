"""diffusers' group offloading, for methods other than ``forward``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def onloaded(module: nn.Module) -> Iterator[None]:
    """Hold the weights of ``module`` on the device where it computes.

    Group offloading (``enable_group_offload``) brings weights when ``forward`` is called and takes them away
    afterwards; a method that uses them otherwise does so inside this context. Of a whole model these are the
    weights that belong to none of its blocks, so a block that is not called needs a context of its own.
    Without offloading nothing happens.
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
