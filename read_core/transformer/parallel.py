"""How diffusers' context parallelism splits A2V-DiT: between latents.

Inputs are split where a block is called, not where the model is called: at that point the position of every
latent, and which one is z_R, are known. Keys and values of text are whole in every process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from ..errors import InputError
from .attention import Attention

if TYPE_CHECKING:
    from .model import A2VTransformer3DModel

try:
    from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput
except ImportError:  # diffusers 0.35 has no context parallelism
    CONTEXT_PARALLEL_PLAN: dict[str, Any] | None = None
else:

    def _by_frame(dims: int) -> Any:
        return ContextParallelInput(split_dim=1, expected_dims=dims, split_output=False)

    CONTEXT_PARALLEL_PLAN = {
        "transformer_blocks.0": {"x": _by_frame(4)},  # later blocks get the output of the previous block
        "transformer_blocks.*": {
            "modulation": _by_frame(4),
            "rotary": _by_frame(4),
            "speech": [_by_frame(5), _by_frame(5)],
        },
        "norm_out": ContextParallelOutput(gather_dim=1, expected_dims=4),
    }


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
