"""Count the floating-point operations of the models by arithmetic. A product and a sum count as two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from torch import Tensor

    from ..transformer import A2VTransformer3DModel
    from ..video import TemporalVAE


def evaluation_flops(transformer: A2VTransformer3DModel, window: int, places: int, text_tokens: int) -> int:
    """FLOPs of A2V-DiT for one clip and one branch of guidance.

    Keys and values of speech and text are left out: they are computed once per clip or video.

    Args:
        transformer: the model.
        window: latents W, z_R included.
        places: tokens h w per latent.
        text_tokens: S.
    """
    config = transformer.config
    dim = config.num_attention_heads * config.attention_head_dim
    tokens = window * places
    linear = 4 + 2 + 2 + 2 * 4  # self-attention; queries and outputs of both others; the wide layer, 4 D
    attended = tokens + text_tokens + config.code_slots
    block = 2 * tokens * dim * (linear * dim + 2 * attended)
    ends = 2 * tokens * dim * (config.in_channels + config.out_channels)
    time_embedding = 2 * window * dim * (256 + dim + 6 * dim)
    return int(config.num_layers * block + ends + time_embedding)


def plain_flops(transformer: A2VTransformer3DModel, window: int, places: int, text_tokens: int) -> int:
    """FLOPs of one branch of the alternative, ``plain.plain_video``, for one clip.

    It has no audio branch. Every evaluation projects the text anew and embeds a time per token.

    Args: as :func:`evaluation_flops`.
    """
    config = transformer.config
    dim = config.num_attention_heads * config.attention_head_dim
    tokens = window * places
    linear = 4 + 2 + 2 * 4  # self-attention; queries and outputs of text; the wide layer, 4 D
    block = 2 * tokens * dim * (linear * dim + 2 * (tokens + text_tokens)) + 2 * text_tokens * 2 * dim * dim
    ends = 2 * tokens * dim * (config.in_channels + config.out_channels)
    time_embedding = 2 * tokens * dim * (256 + dim + 6 * dim)
    text = 2 * text_tokens * dim * (config.caption_channels + dim)
    return int(config.num_layers * block + ends + time_embedding + text)


def decoder_flops(vae: TemporalVAE, latents: Tensor) -> int:
    """FLOPs of decoding ``latents`` (1, C, L, h, w), counted by torch while it runs."""
    with FlopCounterMode(display=False) as counter:
        vae.decode(latents)
    return int(counter.get_total_flops())
