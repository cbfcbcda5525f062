"""Videos of held-out material by a pipeline: with the asynchronous scheduler, and clip by clip without it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..ans import clip_spans
from ..geometry import SAMPLE_RATE, frames_of_latents, latents_of_frames, padded_latents
from ..records import FaceChoice, Reference, SpeechCodes
from .mouth import mouth_shape

if TYPE_CHECKING:
    from torch import Tensor

    from ..ans import Guidance
    from ..pipeline import ReadPipeline
    from .material import Sample


@dataclass(frozen=True)
class Setting:
    """How to sample; None means the checkpoint's default. ``size``: height and width in pixels."""

    guidance: Guidance | None = None
    steps: int | None = None
    seed: int = 0
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Video:
    """A generated video.

    Attributes:
        frames: (F, H, W, 3), 0..1, on the CPU.
        mouth: (F, 3), measured on it.
        seconds: that sampling and decoding took.
    """

    frames: Tensor
    mouth: Tensor
    seconds: float


class Studio:
    """Generates videos of samples; speech and portrait of each are encoded once.

    Args:
        pipe: the checkpoint to measure.
    """

    def __init__(self, pipe: ReadPipeline) -> None:
        self.pipe = pipe
        self._encoded: dict[tuple[str, tuple[int, int] | None], tuple[SpeechCodes, Reference]] = {}

    def asynchronous(self, sample: Sample, setting: Setting | None = None) -> Video:
        """As users get it: frame 0 of the sample and its recording, through the whole pipeline."""
        setting = setting or Setting()
        speech, reference = self._encode(sample, setting.size)
        start = time.perf_counter()
        latents = self.pipe.sample(speech, reference, setting.steps, setting.guidance, seed=setting.seed)
        return self._decode(latents, speech.num_frames, start)

    def independent(self, sample: Sample, setting: Setting | None = None) -> Video:
        """Every clip starts anew from the portrait and noise of its own; of shared latents the earlier stays.

        The clips lie where the asynchronous scheduler puts them, so the seams are in the same places.
        """
        setting = setting or Setting()
        speech, reference = self._encode(sample, setting.size)
        window = self.pipe.defaults.window
        total = padded_latents(latents_of_frames(speech.num_frames), window)
        start = time.perf_counter()
        parts = [reference.latent]
        for index, (first, last) in enumerate(clip_spans(total, window)):
            codes = SpeechCodes(speech.codes[:, first:last], frames_of_latents(window))
            clip = self.pipe.sample(
                codes, reference, setting.steps, setting.guidance, seed=setting.seed + 1000 * index
            )
            parts.append(clip[:, :, 1 if index == 0 else 2 :])
        return self._decode(torch.cat([part.cpu() for part in parts], dim=2), speech.num_frames, start)

    def reconstructed(self, frames: Tensor) -> Tensor:
        """Frames (8 n + 1, H, W, 3) through the VAE and back, on the CPU."""
        return self.pipe.vae.decode(self.pipe.vae.encode(frames[None]))[0].cpu()

    def _encode(self, sample: Sample, size: tuple[int, int] | None) -> tuple[SpeechCodes, Reference]:
        key = sample.name, size
        if key not in self._encoded:
            speech = self.pipe.encode_speech(sample.waveform, SAMPLE_RATE)
            self._encoded[key] = (speech, encode_framed(self.pipe, sample.portrait, size))
        return self._encoded[key]

    def _decode(self, latents: Tensor, num_frames: int, start: float) -> Video:
        frames = self.pipe.decode(latents, num_frames).cpu()
        seconds = time.perf_counter() - start
        return Video(frames, mouth_shape(frames), seconds)


def encode_framed(pipe: ReadPipeline, portrait: Tensor, size: tuple[int, int] | None = None) -> Reference:
    """The reference of a portrait (H, W, 3) that is framed as the checkpoint wants: no face is looked for."""
    if pipe.card.face is None:
        return pipe.encode_reference(portrait, size)
    shape = portrait.shape[0] / portrait.shape[1]
    return pipe.encode_reference(portrait, size, face=FaceChoice(0, 0.5, shape / 2, min(1.0, shape)))
