"""Load LTX-Video's weights into A2V-DiT, from a diffusers folder or an original single file."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Mapping

import torch

from ..errors import CheckpointError
from ..transformer.configs import LTX_2B
from ..transformer.model import A2VTransformer3DModel
from .files import read_header, read_json, read_metadata, read_tensors, weight_files
from .float8 import refuse_float8
from .strict import load_strict

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "model.diffusion_model."
"""Prefix of the transformer's keys in an original file; other keys (the VAE's) are ignored."""

RENAMES: tuple[tuple[str, str], ...] = (
    ("patchify_proj.", "proj_in."),
    ("adaln_single.", "time_embed."),
    ("q_norm.", "norm_q."),
    ("k_norm.", "norm_k."),
)
"""Original name -> diffusers' name, applied anywhere in a key."""

BUILT_IN: Mapping[str, Any] = MappingProxyType(
    {
        "patch_size": 1,
        "patch_size_t": 1,
        "activation_fn": "gelu-approximate",
        "qk_norm": "rms_norm_across_heads",
        "norm_elementwise_affine": False,
        "norm_eps": 1e-6,
        "attention_bias": True,
        "attention_out_bias": True,
    }
)
"""Settings that all releases of LTX-Video share, so A2V-DiT has no options for them."""

SHAPE_KEYS = (
    "in_channels",
    "out_channels",
    "num_attention_heads",
    "attention_head_dim",
    "num_layers",
    "caption_channels",
)
CAUSAL = "causal_temporal_positioning"
"""LTX-Video's name of ``causal_coords``, in its files' metadata and in folders of ``read-core init``."""


def load_diffusers(
    folder: str | Path,
    *,
    causal_coords: bool | None = None,
    code_dim: int = 768,
    code_slots: int = 32,
    dtype: torch.dtype | None = None,
) -> A2VTransformer3DModel:
    """Load the ``transformer`` folder of an LTX-Video checkpoint in diffusers' layout.

    Args:
        folder: folder with ``config.json`` and the (possibly sharded) safetensors.
        causal_coords: False for LTX-Video 0.9.0 and 0.9.1; None: what a folder of ``read-core init`` stores,
            else True: no file of a published folder stores this.
        code_dim: channels d_A of the speech codes.
        code_slots: slots h_w of the speech codes.
        dtype: of the model; None: the file's.

    Raises:
        CheckpointError: the folder is of another kind, has no safetensors, float8, keys or shapes do not fit,
            or the folder stores another ``causal_coords``.
    """
    folder = Path(folder)
    config = {
        **read_ltx_config(folder),
        "causal_coords": _causal_coords(folder, causal_coords),
        "code_dim": code_dim,
        "code_slots": code_slots,
    }
    weights: dict[str, Tensor] = {}
    for path in weight_files(folder):
        refuse_float8(path, read_header(path))
        weights.update(read_tensors(path))
    return _assemble(config, weights, dtype, folder)


def read_transformer(path: Path) -> dict[str, Tensor]:
    """The transformer's tensors of an original file, under diffusers' names.

    Raises:
        CheckpointError: not a safetensors file of LTX-Video, or one in float8.
    """
    refuse_float8(path, read_header(path))
    weights = {rename(key): tensor for key, tensor in read_tensors(path, PREFIX).items()}
    if "proj_in.weight" not in weights:
        raise CheckpointError(
            f"{path} has no {PREFIX}patchify_proj.weight; expected an original LTX-Video 2B file"
        )
    return weights


def file_config(path: Path) -> dict[str, Any]:
    """What the metadata of an original file say about its transformer; 0.9.0 says nothing.

    Raises:
        CheckpointError: no safetensors file.
    """
    try:
        found = json.loads(read_metadata(path)["config"])["transformer"]
    except (KeyError, TypeError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def rename(key: str) -> str:
    """Rename an original key, with `PREFIX`, to diffusers' name."""
    key = key.removeprefix(PREFIX)
    for original, name in RENAMES:
        key = key.replace(original, name)
    return key


def is_addition(key: str) -> bool:
    """Whether LTX-Video lacks the parameter ``key``."""
    return key.startswith("null_") or ".audio_attn." in key


def _assemble(
    config: Mapping[str, Any], weights: dict[str, Tensor], dtype: torch.dtype | None, source: Path
) -> A2VTransformer3DModel:
    """Build the model around ``weights`` without initializing the replaced parameters."""
    with torch.device("meta"):
        model = A2VTransformer3DModel(**config)
    what = f"{source} does not fit LTX-Video's transformer"
    load_strict(model, weights, what, "Use an unmodified file", absent=is_addition)
    dtype = model.proj_in.weight.dtype if dtype is None else dtype
    for block in model.transformer_blocks:
        block.audio_attn.to_empty(device="cpu")
    model.null_reference = torch.nn.Parameter(torch.empty_like(model.null_reference, device="cpu"))
    model.null_speech = torch.nn.Parameter(torch.empty_like(model.null_speech, device="cpu"))
    model.reset_additions()
    return model.to(dtype).eval()  # type: ignore[no-any-return]


def check_size(path: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError if the file's width or depth is not the configuration's (13B, LTX-2)."""
    dim, layers = config["num_attention_heads"] * config["attention_head_dim"], config["num_layers"]
    blocks = {key.split(".")[1] for key in weights if key.startswith("transformer_blocks.")}
    found = (len(blocks), weights["proj_in.weight"].shape[0])
    if found != (layers, dim):
        raise CheckpointError(
            f"{path} has {found[0]} blocks of {found[1]} channels; expected {layers} of {dim}. "
            "Only the 2B releases of LTX-Video fit, not 13B or LTX-2."
        )


def read_ltx_config(folder: Path) -> dict[str, Any]:
    """The shape of the transformer in a diffusers folder."""
    found = read_json(folder / "config.json")
    if found.get("_class_name") != "LTXVideoTransformer3DModel":
        raise CheckpointError(f"{folder}/config.json is not of an LTXVideoTransformer3DModel")
    config = {key: found.get(key, LTX_2B[key]) for key in SHAPE_KEYS}
    dim = config["num_attention_heads"] * config["attention_head_dim"]
    needed = {**BUILT_IN, "cross_attention_dim": dim}
    wrong = [
        f"{key} = {found[key]} instead of {value}"
        for key, value in needed.items()
        if key in found and found[key] != value
    ]
    if wrong:
        raise CheckpointError(
            f"{folder}/config.json: {', '.join(wrong)}; this is no released LTX-Video transformer"
        )
    return config


def _causal_coords(folder: Path, asked: bool | None) -> bool:
    """``causal_coords`` of a diffusers folder."""
    told = read_json(folder / "config.json").get(CAUSAL)
    if told is None:
        return True if asked is None else asked
    if asked is not None and asked != told:
        raise CheckpointError(
            f"causal_coords is {asked}, but {folder}/config.json says {bool(told)}, as its release has it; "
            "leave causal_coords out"
        )
    return bool(told)
