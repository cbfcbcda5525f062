"""Fingerprints of models, to recognize results that were made with other weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open

_DECODER = re.compile(r"(^|\.)decoder\.|^up(_in|_out)?\.")


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
