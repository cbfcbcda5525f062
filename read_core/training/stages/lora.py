"""LoRA of a finished A2V-DiT, for one person's footage: audio attention in full, the rest by LoRA."""

from __future__ import annotations

import torch
from pydantic import Field

from ...transformer import A2VTransformer3DModel
from ..config import ConfigError, Strict

LAYERS = r"transformer_blocks\.\d+\.(attn[12]\.to_(q|k|v|out\.0)|ff\.net\.(0\.proj|2))"
"""The linear layers that get LoRA: self-attention, text cross-attention and MLP."""


class Lora(Strict):
    """A layer's weight W becomes W + alpha / rank B A.

    Attributes:
        rank: rows of A, columns of B.
        alpha: strength.
    """

    rank: int = Field(default=32, gt=0)
    alpha: float = Field(default=32.0, gt=0)


def add_lora(transformer: A2VTransformer3DModel, lora: Lora) -> None:
    """Freeze all but the audio attentions, and add trainable A and B; at first they change nothing.

    Raises:
        ConfigError: peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise ConfigError(
            "lora needs the package peft: pip install -e '.[train]' (or pip install peft)"
        ) from error
    transformer.requires_grad_(False)
    transformer.add_adapter(LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=LAYERS))
    for block in transformer.transformer_blocks:
        block.audio_attn.requires_grad_(True)


def merged(transformer: A2VTransformer3DModel) -> A2VTransformer3DModel:
    """A transformer without LoRA that computes the same; the given one stays as it is."""
    from peft.tuners.lora import LoraLayer

    weights = {
        name.replace(".base_layer.", "."): value
        for name, value in transformer.state_dict().items()
        if ".lora_" not in name
    }
    for name, layer in transformer.named_modules():
        if isinstance(layer, LoraLayer):
            (adapter,) = layer.lora_A
            weights[f"{name}.weight"] = layer.get_base_layer().weight + layer.get_delta_weight(adapter)
    with torch.device("meta"):
        plain: A2VTransformer3DModel = A2VTransformer3DModel.from_config(transformer.config)
    plain.load_state_dict(weights, assign=True)
    return plain
