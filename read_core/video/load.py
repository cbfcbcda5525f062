"""Loads a temporal VAE of either kind from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKLLTXVideo

from ..errors import CheckpointError
from .aligned import AlignedAutoencoder

KINDS: dict[str, Any] = {kind.__name__: kind for kind in (AutoencoderKLLTXVideo, AlignedAutoencoder)}
"""By ``_class_name`` of ``config.json``."""


def load_vae(folder: Path) -> Any:
    """The VAE whose ``config.json`` and safetensors ``folder`` holds.

    Raises:
        CheckpointError: the folder holds something else.
    """
    config = folder / "config.json"
    kind = json.loads(config.read_text(encoding="utf-8")).get("_class_name") if config.is_file() else None
    if kind not in KINDS:
        raise CheckpointError(
            f"{folder} holds {kind or 'no config.json'}; expected one of {', '.join(KINDS)}"
        )
    return KINDS[kind].from_pretrained(folder, local_files_only=True)
