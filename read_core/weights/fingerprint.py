"""Fingerprints of models, to recognize results that were made with other weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

_VALUES = 1024  # of each tensor
_DECODER = re.compile(r"(^|\.)decoder\.|^up(_in|_out)?\.")


def weights_print(state: Mapping[str, Tensor]) -> str:
    """A hash of a model's weights, to recognize the model that another one was made for.

    It is of evenly spaced values of each tensor, rounded to float16: so it is the same for weights in float32
    and for the same weights stored in float16. bfloat16 keeps other digits and gives another hash.

    Args:
        state: names and tensors, on any device.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        values = state[name].detach().flatten()
        some = values[:: max(1, len(values) // _VALUES)].cpu().to(torch.float16)
        digest.update(f"{name} {tuple(state[name].shape)}".encode() + some.numpy().tobytes())
    return digest.hexdigest()


def fingerprint(folders: Sequence[Path], decoders: bool = False) -> str:
    """A hash of the models' weights, with decoders if asked: files made with other weights are refused."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                for name in sorted(file.keys()):
                    if decoders or not _DECODER.search(name):
                        digest.update(name.encode() + file.get_tensor(name).float().numpy().tobytes())
    return digest.hexdigest()
