"""A checkpoint: one folder, similar to diffusers', with everything needed to rebuild the pipeline.

- ``model_index.json``: class, "format", "name", "trained_on", "resolution", "demonstration", optionally
  "face" and "still_head", see Card; library and class of each model
- ``vae/``: AutoencoderKLLTXVideo or, since format 2, AlignedAutoencoder: config.json, safetensors
- ``whisper/``: only the encoder of Whisper
- ``speech_ae/``: SpeechAE, or for ablations, since format 2, AveragePool or LinearProjection
- ``transformer/``: A2VTransformer3DModel
- ``scheduler/``: scheduler_config.json: the defaults of sampling and decoding, see SamplingDefaults
- ``prompt/``: config.json ("text"), prompt.safetensors: "embedding" (S, channels) and "mask" (S,)
- ``detail/``: DetailNetwork; optional, since format 2
- ``eyelids/``: EyelidNetwork; optional, since format 2
- ``distilled/``: Student, a few-step student of the transformer; optional, since format 2

Folders of format 1 have no "face", "still_head", ``detail/``, ``eyelids/`` or ``distilled/``; they can still
be loaded.
Loading is strict and never uses the network. Pickles are refused, not opened. Names, shapes and types are
checked from JSON files and safetensors headers before any weight is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, warn
from ..weights.strict import refuse
from .records import SamplingDefaults

if TYPE_CHECKING:
    from ..transformer import Student

FORMATS = (1, 2)
CLASS_NAME = "ReadPipeline"
MODELS = {
    "vae": ("diffusers", "AutoencoderKLLTXVideo"),
    "whisper": ("transformers", "WhisperEncoder"),
    "speech_ae": ("read_core.speech", "SpeechAE"),
    "transformer": ("read_core.transformer", "A2VTransformer3DModel"),
}
INSTEAD = (  # of format 2
    ("vae", ("read_core.video", "AlignedAutoencoder")),  # of aligned faces
    ("speech_ae", ("read_core.speech", "AveragePool")),  # of ablations without a SpeechAE
    ("speech_ae", ("read_core.speech", "LinearProjection")),
)
OPTIONAL = {  # of format 2; the index names those it has
    "detail": ("read_core.detail", "DetailNetwork"),
    "eyelids": ("read_core.eyelids.network", "EyelidNetwork"),
    "distilled": ("read_core.transformer", "Student"),
}
ADVICE = "Copy the checkpoint again, or use the files that belong to it"


def defaults_file(folder: Path) -> Path:
    """The defaults of sampling and decoding."""
    return folder / "scheduler" / "scheduler_config.json"


def prompt_file(folder: Path) -> Path:
    """The prompt's embedding and mask."""
    return folder / "prompt" / "prompt.safetensors"


def mismatch(place: Path) -> str:
    """How a message begins about parts or weights that do not fit."""
    return f"{place} does not hold what its configuration describes"


def check_fit(folder: Path, models: Mapping[str, Any]) -> None:
    """Check that the parts fit each other; the error says which do not."""
    vae, whisper = models["vae"].config, models["whisper"].config
    speech_ae, transformer = models["speech_ae"].config, models["transformer"].config
    slots, width = models["speech_ae"].code_shape
    pairs = {
        "vae latent channels and transformer in_channels": (vae.latent_channels, transformer.in_channels),
        "whisper width and speech_ae feature_dim": (whisper.d_model, speech_ae.feature_dim),
        "10 x whisper hidden states and speech_ae speech_window": (
            10 * (whisper.encoder_layers + 1),
            speech_ae.speech_window,
        ),
        "speech_ae code_window and transformer code_slots": (slots, transformer.code_slots),
        "speech_ae code_dim and transformer code_dim": (width, transformer.code_dim),
    }
    problems = [f"{name} are {a} and {b}" for name, (a, b) in pairs.items() if a != b]
    if "distilled" in models:
        base = models["distilled"].config.transformer
        other = {name: value for name, value in base.items() if transformer.get(name) != value}
        problems += [f"distilled is of a transformer with {name} {value}" for name, value in other.items()]
    refuse(problems, mismatch(folder), ADVICE)


def check_student(folder: Path, there: bool, defaults: SamplingDefaults) -> None:
    """Refuse a student without defaults, and defaults without a student."""
    if there != (defaults.distilled is not None):
        found = ("a part distilled, but no" if there else "no part distilled, but") + " defaults for it"
        raise CheckpointError(f"{folder} has {found}; {ADVICE[0].lower()}{ADVICE[1:]}")


def warn_of_other_base(folder: Path, student: Student, found: str) -> None:
    """Warn if the student was made for other weights than those with the hash ``found``."""
    from ..transformer.student import OTHER_BASE

    if student.base_print not in (None, found):
        warn(f"{folder}: {OTHER_BASE}")
