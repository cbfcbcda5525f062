"""Configurations of A2V-DiT, so that building one needs no download.

All releases of LTX-Video 2B have the same shape. They differ in the time of latent i, in frames: 8 i up to
0.9.1, max(0, 8 i - 7) since then.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Mapping

LTX_2B: Mapping[str, Any] = MappingProxyType(
    {
        "in_channels": 128,
        "out_channels": 128,
        "num_attention_heads": 32,
        "attention_head_dim": 64,
        "num_layers": 28,
        "caption_channels": 4096,
        "code_dim": 768,
        "code_slots": 32,
        "causal_coords": False,
    }
)
"""LTX-Video 2B 0.9.0 and 0.9.1, with the speech codes of the paper's SpeechAE."""

LTX_2B_CAUSAL: Mapping[str, Any] = MappingProxyType({**LTX_2B, "causal_coords": True})
"""LTX-Video 2B from 0.9.5 on."""

TINY: Mapping[str, Any] = MappingProxyType(
    {
        "in_channels": 8,
        "out_channels": 8,
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "num_layers": 2,
        "caption_channels": 12,
        "code_dim": 10,
        "code_slots": 3,
        "causal_coords": True,
    }
)
"""For tests: all parts, small sizes."""

CONFIGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"ltx-2b-0.9.0": LTX_2B, "ltx-2b-0.9.1": LTX_2B, "ltx-2b": LTX_2B_CAUSAL, "tiny": TINY}
)
"""Configurations by name; ``ltx-2b`` fits every release after 0.9.1."""
