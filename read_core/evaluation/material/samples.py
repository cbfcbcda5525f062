"""Held-out material: corpus videos with their ground truth, never written to disk."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

import torch

from ...errors import OnWarning, warn
from ...geometry import FEATURES_PER_FRAME, FPS, SAMPLES_PER_FRAME

if TYPE_CHECKING:
    from torch import Tensor

    from ...corpus.drawing.presenter import Presenter
    from ...corpus.speech.utterance import Utterance
    from ...face.alignment import FaceLayout

SAID_BY = ("espeak", "flite")


@dataclass(frozen=True)
class Sample:
    """A drawn video of F frames with its ground truth.

    Attributes:
        name: synthesizer and seed.
        synthesizer: who speaks; flite is held out as a whole.
        skin_tone: 0 very light .. 1 very dark.
        pixels: (F, H, W, 3) uint8.
        waveform: (640 F,) float32, 16 kHz.
        mouth: (F, 3), the true track.
        phonemes: (2 F,) viseme class per 20 ms.
        closures: (K,) int64, the frames with the middle of each p, b or m.
        boxes: (F, 4) pixel boxes x0, y0, x1, y1 of the mouth.
        presenter: the drawn face.
    """

    name: str
    synthesizer: str
    skin_tone: float
    pixels: Tensor
    waveform: Tensor
    mouth: Tensor
    phonemes: Tensor
    closures: Tensor
    boxes: Tensor
    presenter: Presenter

    @property
    def frames(self) -> Tensor:
        """The video as (F, H, W, 3) float, 0..1."""
        return self.pixels.float() / 255

    @property
    def portrait(self) -> Tensor:
        """Frame 0, (H, W, 3) float, 0..1."""
        return self.pixels[0].float() / 255

    def cut(self, frames: int, start: int = 0) -> Sample:
        """Cut ``frames`` frames from ``start``, with a new name."""
        stop = start + frames
        closures = self.closures[(self.closures >= start) & (self.closures < stop)] - start
        features = slice(start * FEATURES_PER_FRAME, stop * FEATURES_PER_FRAME)
        return replace(
            self,
            name=f"{self.name} {start} to {stop}",
            pixels=self.pixels[start:stop],
            waveform=self.waveform[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME],
            mouth=self.mouth[start:stop],
            phonemes=self.phonemes[features],
            closures=closures,
            boxes=self.boxes[start:stop],
        )


def draw_sample(
    seed: int,
    split: str,
    frames: int,
    size: int | tuple[int, int],
    synthesizer: str = "espeak",
    layout: FaceLayout | None = None,
) -> Sample:
    """Speak, move and draw ``frames`` frames; ``layout``: the layout of a checkpoint of aligned faces.

    Raises:
        SynthesizerError: the synthesizer is not installed.
        InputError: the split, size or length is invalid.
    """
    from ...corpus.speech.utterance import sample_utterance

    utterance = sample_utterance(seed, frames / FPS, split, synthesizer)
    return render_video(utterance, seed, split, size, synthesizer, layout=layout)


def render_video(
    utterance: Utterance,
    seed: int,
    split: str,
    size: int | tuple[int, int],
    synthesizer: str,
    name: str = "",
    layout: FaceLayout | None = None,
) -> Sample:
    """Draw the face of ``seed`` saying ``utterance``; ``name``: synthesizer and seed unless given."""
    from ...corpus.drawing.render import mouth_box, render
    from ...corpus.motion import sample_motion
    from ...corpus.scene import loudness

    frames = len(utterance.mouth)
    presenter = presenter_of(seed, split, layout)
    motion = sample_motion(seed, frames, loudness(utterance.waveform, frames), split)
    pixels = render(presenter, motion, utterance.mouth, size)
    return Sample(
        name=name or f"{synthesizer}-{seed}",
        synthesizer=synthesizer,
        skin_tone=presenter.skin_tone,
        pixels=(pixels * 255).round().to(torch.uint8),
        waveform=utterance.waveform,
        mouth=utterance.mouth,
        phonemes=utterance.phonemes,
        closures=utterance.closures,
        boxes=mouth_box(presenter, motion, size),
        presenter=presenter,
    )


def presenter_of(seed: int, split: str, layout: FaceLayout | None) -> Presenter:
    """The face of a seed, aligned to ``layout`` if given."""
    from ...corpus.drawing.presenter import sample_presenter
    from ...corpus.framing import aligned

    presenter = sample_presenter(seed, split)
    return presenter if layout is None else aligned(presenter, seed, split, astuple(layout))


def draw_samples(
    split: str,
    count: int,
    frames: int,
    size: int | tuple[int, int],
    layout: FaceLayout | None = None,
) -> list[Sample]:
    """Draw ``count`` faces with espeak and the held-out flite in turn.

    Without flite it warns, and espeak speaks all of them.
    """
    speakers = speakers_here()
    return [
        draw_sample(index, split, frames, size, speakers[index % len(speakers)], layout)
        for index in range(count)
    ]


def speakers_here(on_warning: OnWarning = warn) -> tuple[str, ...]:
    """The synthesizers to use: espeak (SynthesizerError if it is missing), and flite if it is installed."""
    from ...corpus.speech.synthesis import SynthesizerError, require_synthesizer

    require_synthesizer("espeak")
    try:
        require_synthesizer("flite")
    except SynthesizerError as error:
        on_warning(f"the held-out synthesizer is left out: {error}")
        return SAID_BY[:1]
    return SAID_BY
