"""One video of a drawn presenter, fully determined by a few values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ..geometry import FPS, FRAMES_PER_LATENT, SAMPLES_PER_FRAME
from .drawing.presenter import sample_presenter
from .drawing.render import eye_boxes, mouth_box, render
from .framing import aligned, check_share, framed
from .motion import sample_motion
from .speech.utterance import sample_utterance

if TYPE_CHECKING:
    from torch import Tensor

_INT16 = 32767


@dataclass(frozen=True)
class Scene:
    """A video before it is drawn: F = 25 x ``seconds`` frames of ``size`` x ``size`` pixels.

    Attributes:
        framing: share of the corpus's videos with a moved and resized head, see ``framing.framed``.
        layout: the face is aligned to this eye distance, height of the eyes and height of the mouth, as
            shares of the picture's side; None: not aligned.
    """

    seed: int
    split: str
    seconds: float
    size: int
    synthesizer: str = "espeak"
    framing: float = 0.0
    layout: tuple[float, float, float] | None = None

    @property
    def name(self) -> str:
        """Unique within a split."""
        return f"{self.synthesizer}-{self.seed:06d}"

    def check(self) -> None:
        """Raise InputError if a value other than size, seconds or split is out of range."""
        check_share(self.framing)

    def draw(self) -> dict[str, Tensor]:
        """Speak, move and draw the scene.

        Returns:
            ``frames`` (F, size, size, 3) uint8; ``waveform`` (640 F,) int16 at 16 kHz; ``boxes`` (F, 4) and
            ``eyes`` (F, 2, 4) float32, pixel boxes x0, y0, x1, y1 of the mouth and of both eyes; ``mouth``
            (F, 3) and ``blink`` (F,) float32, the true tracks.

        Raises:
            InputError: a value of the scene is out of range.
            SynthesizerError: the synthesizer is not installed; the message says how to install it.
        """
        utterance = sample_utterance(self.seed, self.seconds, self.split, self.synthesizer)
        count = len(utterance.mouth)
        presenter = sample_presenter(self.seed, self.split)
        if self.layout is None:
            presenter = framed(presenter, self.seed, self.split, self.framing)
        else:
            presenter = aligned(presenter, self.seed, self.split, self.layout)
        motion = sample_motion(self.seed, count, loudness(utterance.waveform, count), self.split)
        frames = render(presenter, motion, utterance.mouth, self.size)
        return {
            **recorded(frames, utterance.waveform, utterance.mouth),
            "boxes": mouth_box(presenter, motion, self.size),
            "eyes": eye_boxes(presenter, motion, self.size),
            "blink": motion.blink,
        }


def recorded(frames: Tensor, waveform: Tensor, mouth: Tensor) -> dict[str, Tensor]:
    """The stored form of frames (F, H, W, 3), 0..1, a recording (samples,) and the mouth's track (F, 3)."""
    waveform = F.pad(waveform, (0, len(frames) * SAMPLES_PER_FRAME - len(waveform)))
    return {
        "frames": (frames * 255).round().to(torch.uint8),
        "waveform": (waveform * _INT16).round().to(torch.int16),
        "mouth": mouth,
    }


def loudness(waveform: Tensor, frames: int) -> Tensor:
    """RMS of the sound of each video frame relative to the loudest ones, 0..1: (samples,) -> (frames,)."""
    padded = F.pad(waveform, (0, frames * SAMPLES_PER_FRAME - waveform.shape[0]))
    rms = padded.view(frames, SAMPLES_PER_FRAME).square().mean(dim=1).sqrt()
    return (rms / torch.quantile(rms, 0.95).clamp(min=1e-4)).clamp(max=1.0)


def whole_latents(seconds: float) -> float:
    """The longest duration up to ``seconds`` with 8 n + 1 frames."""
    frames = int(seconds * FPS + 1e-6)
    return (frames - (frames - 1) % FRAMES_PER_LATENT) / FPS
