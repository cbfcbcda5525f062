"""The full-size A2V-DiT is LTX-Video 2B plus the audio branch, name by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import LTXVideoTransformer3DModel

from read_core.transformer import CONFIGS, LTX_2B, A2VTransformer3DModel
from read_core.weights.ltx_transformer import is_addition

SNAPSHOT = Path(__file__).with_name("a2v_2b_keys.txt")
LAYERS = 28
Model = TypeVar("Model", bound=torch.nn.Module)


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


def on_meta(kind: type[Model], **config) -> Model:
    with torch.device("meta"):
        return kind(**config)


def pinned() -> dict[str, tuple[int, ...]]:
    """The snapshot's lines ``name shape``, those with ``{i}`` once per block."""
    found = {}
    for line in SNAPSHOT.read_text(encoding="utf-8").splitlines():
        name, _, shape = line.partition(" ")
        for index in range(LAYERS if "{i}" in name else 1):
            found[name.replace("{i}", str(index))] = tuple(int(size) for size in shape.split("x"))
    return found


def test_keys_and_shapes_are_pinned():
    assert shapes(on_meta(A2VTransformer3DModel, **LTX_2B)) == pinned()


def test_is_ltx_2b_plus_the_audio_branch():
    model = on_meta(A2VTransformer3DModel, **LTX_2B)
    ltx = on_meta(LTXVideoTransformer3DModel)  # its defaults are the 2B model
    assert {key: shape for key, shape in shapes(model).items() if not is_addition(key)} == shapes(ltx)

    dim, code_dim, slots = 2048, 768, 32
    norms, query_and_out, key_and_value = 2 * dim, 2 * (dim * dim + dim), 2 * (code_dim * dim + dim)
    additions = LAYERS * (norms + query_and_out + key_and_value) + slots * code_dim + dim
    assert model.num_parameters() == ltx.num_parameters() + additions


def test_defaults_are_the_releases_after_0_9_1():
    config: Any = on_meta(A2VTransformer3DModel).config
    assert {key: config[key] for key in LTX_2B} == dict(CONFIGS["ltx-2b"])
    assert CONFIGS["ltx-2b"]["causal_coords"] is True
    assert CONFIGS["ltx-2b-0.9.1"]["causal_coords"] is False
