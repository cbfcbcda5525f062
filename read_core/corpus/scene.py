"""One video of the corpus: everything in it follows from six values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ..geometry import FPS, FRAMES_PER_LATENT, SAMPLES_PER_FRAME
from .framing import framed
from .motion import sample_motion
from .presenter import sample_presenter
from .render import mouth_box, render
from .utterance import sample_utterance

if TYPE_CHECKING:
    from torch import Tensor

_INT16 = 32767


@dataclass(frozen=True)
class Scene:
    """A video before it is drawn: F = 25 x ``seconds`` frames of ``size`` x ``size`` pixels.

    ``framing`` is the share of the corpus's videos whose head is moved and resized, see ``framing.framed``.
    """

    seed: int
    split: str
    seconds: float
    size: int
    synthesiser: str = "espeak"
    framing: float = 0.0

    @property
    def name(self) -> str:
        """Unique within a split."""
        return f"{self.synthesiser}-{self.seed:06d}"


def draw_scene(scene: Scene) -> dict[str, Tensor]:
    """Speak, move and draw ``scene``.

    Returns:
        ``frames`` (F, size, size, 3) uint8; ``waveform`` (640 F,) int16 at 16 kHz; ``boxes`` (F, 4) float32,
        pixel boxes x0, y0, x1, y1 of the mouth; ``mouth`` (F, 3) float32, the true track.

    Raises:
        InputError: a value of the scene is out of range.
        SynthesiserError: the synthesiser is not installed; the message says how to get it.
    """
    utterance = sample_utterance(scene.seed, scene.seconds, scene.split, scene.synthesiser)
    count = len(utterance.mouth)
    presenter = framed(sample_presenter(scene.seed, scene.split), scene.seed, scene.split, scene.framing)
    motion = sample_motion(scene.seed, count, loudness(utterance.waveform, count), scene.split)
    frames = render(presenter, motion, utterance.mouth, scene.size)
    waveform = F.pad(utterance.waveform, (0, count * SAMPLES_PER_FRAME - len(utterance.waveform)))
    return {
        "frames": (frames * 255).round().to(torch.uint8),
        "waveform": (waveform * _INT16).round().to(torch.int16),
        "boxes": mouth_box(presenter, motion, scene.size),
        "mouth": utterance.mouth,
    }


def loudness(waveform: Tensor, frames: int) -> Tensor:
    """RMS of each video frame relative to the loudest ones, 0..1: (samples,) -> (frames,)."""
    padded = F.pad(waveform, (0, frames * SAMPLES_PER_FRAME - waveform.shape[0]))
    rms = padded.view(frames, SAMPLES_PER_FRAME).square().mean(dim=1).sqrt()
    return (rms / torch.quantile(rms, 0.95).clamp(min=1e-4)).clamp(max=1.0)


def whole_latents(seconds: float) -> float:
    """The longest duration up to ``seconds`` whose frames are 8 n + 1."""
    frames = int(seconds * FPS + 1e-6)
    return (frames - (frames - 1) % FRAMES_PER_LATENT) / FPS
