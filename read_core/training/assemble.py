"""Assemble a checkpoint folder from the stages' exports, for ``read-core checkpoint``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from ..checkpoint import (
    MODELS,
    Card,
    Components,
    SamplingDefaults,
    describe,
    load_model,
    save_checkpoint,
)
from ..face.alignment import FaceLayout
from ..speech import load_whisper_encoder
from ..weights.ltx_vae import halo_of
from .config import ConfigError, Strict, parse_config, read_config, require_component
from .data.footage import read_face
from .stages.prompt import refuse_random, training_prompt


class CardConfig(Strict):
    """Description of the checkpoint, see ``checkpoint.Card``."""

    name: str
    trained_on: str
    resolution: tuple[int, int]
    demonstration: bool = False
    still_head: bool = False


class FaceConfig(Strict):
    """Place of the face in the aligned crops, see ``face.alignment.FaceLayout``."""

    eye_distance: float
    eyes: float
    mouth: float


class CheckpointConfig(Strict):
    """Parts and settings of a checkpoint. Paths are relative to the working directory.

    Attributes:
        stage: ``checkpoint``, the kind of this file.
        output: the checkpoint folder.
        vae, whisper, speech_ae, transformer: folders of the finished components.
        detail: folder of the detail network; None: no detail network.
        eyelids: folder of the eyelid network; None: no blinks are added.
        distilled: folder of a student of the transformer; None: no student. ``defaults`` then have an entry
            ``distilled``.
        face: layout of the aligned faces in the training data; None: the layout in the transformer's folder,
            which training on footage writes; without one they were not aligned.
        prompt, prompt_tokens: as in the configuration of stage ``a2v``.
        card: what it is, see ``checkpoint.Card``.
        defaults: contents of ``scheduler_config.json``, see ``checkpoint.SamplingDefaults``. None drops
            an entry of a base. A ``halo`` that is not given is the VAE's, see ``weights.ltx_vae.halo_of``.
        dtype: type of the stored weights.
        overwrite: whether to replace an existing checkpoint.
    """

    stage: Literal["checkpoint"]
    output: Path
    vae: Path
    whisper: Path
    speech_ae: Path
    transformer: Path
    detail: Path | None = None
    eyelids: Path | None = None
    distilled: Path | None = None
    face: FaceConfig | None = None
    prompt: Path | None = None
    prompt_tokens: int = Field(default=4, gt=0)
    card: CardConfig
    defaults: dict[str, Any]
    dtype: Literal["float32", "float16", "bfloat16"] = "float16"
    overwrite: bool = False


def load_checkpoint_config(path: Path, overrides: Mapping[str, Any] | None = None) -> CheckpointConfig:
    """Read the YAML file of a checkpoint, see :func:`read_core.training.config.read_config`.

    Raises:
        ConfigError: no such file, not YAML, an unknown key or a value out of range.
    """
    return parse_config(path, CheckpointConfig, read_config(path, overrides))


def assemble(config: CheckpointConfig) -> dict[str, float]:
    """Write the checkpoint atomically; return the parameters and megabytes of its parts.

    Raises:
        ConfigError: a component is missing, or the card or the defaults are not valid.
        CheckpointError: a component is damaged, the components do not fit each other, or the folder exists
            and may not be replaced.
    """
    for stage in ("vae", "whisper", "speech_ae"):
        require_component(stage, getattr(config, stage), stage)
    require_component("transformer", config.transformer, "a2v")
    if config.detail is not None:
        require_component("detail", config.detail, "detail")
    if config.eyelids is not None:
        require_component("eyelids", config.eyelids, "eyelids")
    if config.distilled is not None:
        require_component("distilled", config.distilled, "distill")
    refuse_random(config.prompt, config.transformer)
    try:
        told = read_face(config.transformer)
        face = told if config.face is None else FaceLayout(**config.face.model_dump())
        card = Card(**config.card.model_dump(), face=face)
        vae = load_model("vae", config.vae)
        own = {name: value for name, value in config.defaults.items() if value is not None}
        defaults = SamplingDefaults.from_dict({"halo": halo_of(vae), **own})
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"card or defaults have a missing or wrong entry: {error}") from error
    transformer = load_model("transformer", config.transformer)
    components = Components(
        card=card,
        defaults=defaults,
        vae=vae,
        whisper=load_whisper_encoder(config.whisper),
        speech_ae=load_model("speech_ae", config.speech_ae),
        transformer=transformer,
        prompt=training_prompt(config.prompt, config.prompt_tokens, transformer.config.caption_channels),
        detail=None if config.detail is None else load_model("detail", config.detail),
        eyelids=None if config.eyelids is None else load_model("eyelids", config.eyelids),
        distilled=None if config.distilled is None else load_model("distilled", config.distilled),
    )
    origins = {name: getattr(config, name) for name in MODELS}
    save_checkpoint(config.output, components, getattr(torch, config.dtype), config.overwrite, origins)
    parts = describe(config.output).parts
    figures: dict[str, float] = {f"{part.name}_parameters": part.parameters for part in parts}
    return figures | {"megabytes": round(sum(part.nbytes for part in parts) / 1e6, 2)}
