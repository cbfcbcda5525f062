"""Videos that A2V-DiT and its students learn from: windows of latents with their speech."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from ...corpus.video_file import ClipFile, find_clips
from ...footage.manifest import Manifest
from ..config import StageConfig
from ..data.footage import FootageWindows, open_footage
from ..data.latents import Encoders, WindowDataset, encode_clips
from ..processes import processes, samples_per_step


class MaterialConfig(StageConfig):
    """Settings of the material.

    Attributes:
        clips: folder of training videos, with ``latents``; or
        footage: folder of ``read-core prepare``. Speech is then encoded in training, from its features.
        vae, whisper, speech_ae: folders of the finished components.
        latents: folder for the encoded ``clips``; they are made at the start.
        windows: latents per window, z_R included; each step draws one length, inference uses the largest.
        start_share: share of the windows that start their video and have no motion frame.
        prompt: file of the text embedding, as ``checkpoint.load_prompt`` reads it; needed with LTX-Video's
            weights, see ``stages.prompt``.
        prompt_tokens: without ``prompt``: length of the fixed random embedding.
    """

    clips: Path | None = None
    footage: Path | None = None
    vae: Path
    whisper: Path
    speech_ae: Path
    latents: Path | None = None
    windows: tuple[int, ...] = (16,)
    start_share: float = Field(default=0.3, ge=0, le=1)
    prompt: Path | None = None
    prompt_tokens: int = Field(default=4, gt=0)

    @model_validator(mode="after")
    def _one_material(self) -> MaterialConfig:
        clips = (self.clips, self.latents)
        if (self.footage is None and None in clips) or (self.footage is not None and clips != (None, None)):
            raise ValueError("expected either footage, or clips and latents")
        return self


@dataclass(frozen=True)
class Material:
    """Windows to train on, and the longest of the held-out videos.

    Attributes:
        footage: its manifest; None: the material is clips.
        clips: the videos by split; empty: the material is footage.
    """

    dataset: WindowDataset
    held_out: WindowDataset
    footage: Manifest | None = None
    clips: Mapping[str, list[ClipFile]] = field(default_factory=dict)


def open_material(
    config: MaterialConfig, windows: tuple[int, ...], kind: type[WindowDataset] = WindowDataset
) -> Material:
    """Open footage, or encode the clips that are not encoded yet.

    Args:
        config: names the material.
        windows: latents per window, z_R included.
        kind: windows of clips.

    Raises:
        ConfigError: a window is longer than the shortest video, or the footage fits other models.
        ReadError: ``latents`` has those of other encoders.
    """
    step, share, seed = samples_per_step(config.loop), config.start_share, config.loop.seed

    def both(make: Callable[..., WindowDataset], of: Callable[[str], Any]) -> tuple[Any, Any]:
        return (
            make(of("train"), windows, step, share, seed),
            make(of("validation"), (max(windows),), step, share, seed + 1),
        )

    if config.footage is not None:
        manifest = open_footage(config.footage, config.vae, config.whisper)
        return Material(*both(FootageWindows, manifest.items), footage=manifest)
    assert config.clips is not None
    assert config.latents is not None
    encoders = Encoders(config.vae, config.whisper, config.speech_ae)
    clips = {split: find_clips(config.clips, split) for split in ("train", "validation")}
    files = {
        split: encode_clips(found, config.latents, encoders, processes().device)
        for split, found in clips.items()
    }
    return Material(*both(kind, files.__getitem__), clips=clips)
