"""Facts of a report: weights, sampling, size of the suite, and version."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...version import __version__
from ..material.samples import speakers_here

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from ...pipeline import ReadPipeline

_DIGITS = 12


def report_metadata(pipe: ReadPipeline, seed: int, size: DataclassInstance) -> dict[str, Any]:
    """The checkpoint, its sampling settings and the size of the suite.

    Args:
        pipe: the checkpoint.
        seed: of the noise.
        size: of the suite.

    Raises:
        SynthesizerError: espeak-ng is not installed (flite is left out with a warning).
    """
    return {
        "weights": weights_digest(pipe),
        "resolution": "x".join(map(str, pipe.card.resolution)),
        "steps": pipe.defaults.steps,
        "guidance": str(pipe.defaults.guidance.to_dict()),
        "seed": seed,
        "speakers": " ".join(speakers_here()),
        "size": str(asdict(size)),
        "read_core": __version__,
    }


def weights_digest(pipe: ReadPipeline) -> str:
    """Twelve digits that identify a checkpoint's weights: a hash of all models that sample and decode."""
    digest = hashlib.sha256()
    for model in (pipe.vae.vae, pipe.speech_ae, pipe.transformer):
        for name, tensor in sorted(model.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().float().numpy().tobytes())
    return digest.hexdigest()[:_DIGITS]
