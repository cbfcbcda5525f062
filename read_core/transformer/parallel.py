"""How diffusers' context parallelism splits A2V-DiT: between latents.

Inputs are split where a block is called, not where the model is called: at that point the position of every
latent, and which one is z_R, are known. Keys and values of text are whole in every process.
"""

from __future__ import annotations

from typing import Any

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
