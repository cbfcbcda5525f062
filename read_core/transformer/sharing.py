"""Let several processes work on every clip together, by diffusers' context parallelism."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from ..errors import InputError
from .attention import Attention
from .parallel import CONTEXT_PARALLEL_PLAN

if TYPE_CHECKING:
    from .model import A2VTransformer3DModel


def share_clips(model: A2VTransformer3DModel, window: int) -> None:
    """Let all processes of the started group work on every clip together, in place.

    Each takes an equal share of the latents, and of the heads in self-attention (diffusers' Ulysses). Every
    process then calls the model with equal inputs and gets the whole velocity.

    Args:
        model: on this process's device.
        window: latents per clip, z_R included.

    Raises:
        InputError: latents or heads cannot be shared evenly, or diffusers has no context parallelism.
    """
    size, heads = dist.get_world_size(), model.config.num_attention_heads
    if CONTEXT_PARALLEL_PLAN is None:
        raise InputError("sharing a clip needs diffusers 0.36 or newer: pip install -U diffusers")
    if window % size or heads % size:
        raise InputError(
            f"{size} processes cannot share a clip of {window} latents and {heads} heads evenly; take a "
            "number that divides both"
        )
    from diffusers import ContextParallelConfig

    config = ContextParallelConfig(ulysses_degree=size)
    if model.device.type == "cpu":
        _share_on_cpu(model, config)
    else:
        model.enable_parallelism(config=config)


def _share_on_cpu(model: A2VTransformer3DModel, config: Any) -> None:
    """What ``model.enable_parallelism`` does, which counts accelerators and fails without any."""
    from diffusers.hooks.context_parallel import apply_context_parallel
    from diffusers.models._modeling_parallel import ParallelConfig
    from torch.distributed.device_mesh import init_device_mesh

    parallel = ParallelConfig(context_parallel_config=config)
    mesh = init_device_mesh("cpu", config.mesh_shape, mesh_dim_names=config.mesh_dim_names)
    parallel.setup(dist.get_rank(), dist.get_world_size(), model.device, mesh=mesh)
    for module in model.modules():
        if isinstance(module, Attention):
            module.processor._parallel_config = parallel
    apply_context_parallel(model, config, CONTEXT_PARALLEL_PLAN)
