"""Conditions of recordings and portraits that users have but the corpus lacks or rarely has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from ...corpus.speech.synthesis import SynthesizerError, require_synthesizer
from ...corpus.speech.visemes import SILENT
from ...errors import warn
from ...face.alignment import cut_face
from ...face.framing import frame_portrait
from ...limits import FACE
from ...records import FaceChoice
from ..metrics.seams import whole_clips
from .portraits import CROPS, lit, other_sizes, resized
from .samples import Sample, draw_sample, render_video, speakers_here
from .sounds import (
    FAST_RATE,
    PLAIN_RATE,
    SLOW_RATE,
    active_samples,
    at_level,
    by_telephone,
    finnish_speech,
    german_speech,
    music_alone,
    noise_alone,
    speech_at_rate,
    sung,
    with_music,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ...corpus.speech.utterance import Utterance
    from ...pipeline import ReadPipeline

AS_IS = "as in the corpus"
FINNISH = "Finnish, a recorded voice"
PLAIN = f"plain speech, {PLAIN_RATE} words a minute"
_SEED = 3_000
_QUIET = -40.0  # dBFS


@dataclass(frozen=True)
class RobustSize:
    """Size of the suite.

    Attributes:
        count: faces per condition.
        clips: clips per video.
        steps: steps per clip; 0: the checkpoint's.
        snrs: levels of speech over music in decibels.
        ratios: sides of other videos relative to the checkpoint's, rounded to multiples that the VAE accepts.
    """

    count: int = 6
    clips: int = 2
    steps: int = 0
    snrs: tuple[float, ...] = (20.0, 10.0, 5.0, 0.0)
    ratios: tuple[float, ...] = (0.5, 0.75, 1.25, 1.5, 2.0)


QUICK = RobustSize(count=1, clips=1, steps=1, snrs=(10.0,), ratios=(0.5,))


@dataclass(frozen=True)
class Condition:
    """A condition of the input.

    Attributes:
        name: name of its row.
        samples: a video per face.
        size: size of the video if it is not the checkpoint's.
        base: name of the condition for comparison.
        pictured: whether it concerns the portrait, so that pictures are measured in addition to lips.
        wordless: whether there is no speech, so that only the shut mouth can be measured.
    """

    name: str
    samples: Sequence[Sample]
    size: tuple[int, int] | None = None
    base: str = AS_IS
    pictured: bool = False
    wordless: bool = False


def conditions(pipe: ReadPipeline, size: RobustSize) -> Iterator[Condition]:
    """All conditions, generated lazily; base conditions come first."""
    resolution = pipe.card.resolution
    frames = whole_clips(size.clips, pipe.defaults.window)
    speakers = speakers_here()
    faces = [(_SEED + index, speakers[index % len(speakers)]) for index in range(size.count)]
    layout = pipe.card.face
    base = [draw_sample(seed, "test", frames, resolution, speaker, layout) for seed, speaker in faces]
    yield Condition(AS_IS, base, pictured=True)
    for name, change in _sounds(size):
        yield Condition(name, [_with_sound(sample, name, change) for sample in base])
    for name, speech_of in _speeches():
        videos = [
            render_video(speech_of(seed, frames), seed, "test", resolution, name, f"{name}, {seed}", layout)
            for seed, _ in faces
        ]
        yield Condition(name, videos, base=AS_IS if name == PLAIN else PLAIN)
    for name, sound in _wordless():
        yield Condition(
            name,
            [_saying_nothing(s, name, sound(len(s.waveform), seed)) for seed, s in enumerate(base)],
            wordless=True,
        )
    for height, width in other_sizes(resolution, size.ratios):
        drawn = [draw_sample(seed, "test", frames, (height, width), by, layout) for seed, by in faces]
        yield Condition(f"video of {width} x {height}", drawn, (height, width), pictured=True)
    for name, look in _looks():
        seen = [
            replace(s, name=f"{s.name}, {name}", pixels=as_found(pipe, look(s.pixels), resolution))
            for s in base
        ]
        yield Condition(name, seen, pictured=True)


def as_found(pipe: ReadPipeline, pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures of a talk as the fit ``face`` would show them to a checkpoint of aligned faces.

    Args:
        pipe: the checkpoint; others than of aligned faces see the pictures as they are.
        pixels: (F, H, W, 3) uint8; the face is found in the first one.
        size: (height, width) of the result.

    Returns:
        (F, height, width, 3) uint8.
    """
    if pipe.card.face is None:
        return pixels
    framing = frame_portrait(
        pixels[0] / 255, pipe.card.resolution, FACE, pipe.card.face, FaceChoice(), pipe.find_faces
    )
    if framing.face is None:
        return pixels
    cut = torch.stack([cut_face(picture / 255, framing.face, size) for picture in pixels])
    return cut.mul_(255).round_().byte()


def _sounds(size: RobustSize) -> Iterator[tuple[str, Callable[[Tensor, Tensor], Tensor]]]:
    for snr in size.snrs:
        yield f"music, {snr:g} dB below", partial(with_music, snr=snr)
    yield "telephone, 300 to 3400 Hz", lambda waveform, _: by_telephone(waveform)
    yield f"recorded at {_QUIET:g} dBFS", partial(at_level, decibels=_QUIET)


def _speeches() -> Iterator[tuple[str, Callable[[int, int], Utterance]]]:
    yield PLAIN, partial(speech_at_rate, PLAIN_RATE)
    for word, rate in (("fast", FAST_RATE), ("slow", SLOW_RATE)):
        yield f"{word} speech, {rate} words a minute", partial(speech_at_rate, rate)
    yield "German", german_speech
    if _has_festival():
        yield FINNISH, finnish_speech
    yield "singing tone", sung


def _has_festival() -> bool:
    try:
        require_synthesizer("festival")
    except SynthesizerError as error:
        warn(f'"{FINNISH}" is left out: {error}')
        return False
    return True


def _wordless() -> Iterator[tuple[str, Callable[[int, int], Tensor]]]:
    yield "digital silence", lambda samples, _: torch.zeros(samples)
    yield "music alone", lambda samples, _: music_alone(samples)
    yield "noise alone", noise_alone


def _looks() -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    yield "picture at half size", partial(resized, ratio=0.5)
    yield "picture at triple size", partial(resized, ratio=3.0)
    for crop in CROPS:
        yield crop.name, crop
    yield "darker", partial(lit, gains=(0.5, 0.5, 0.5))
    yield "brighter", partial(lit, gains=(1.4, 1.4, 1.4))
    yield "redder light", partial(lit, gains=(1.2, 1.0, 0.75))


def _with_sound(sample: Sample, name: str, change: Callable[[Tensor, Tensor], Tensor]) -> Sample:
    changed = change(sample.waveform, active_samples(sample.phonemes))
    return replace(sample, name=f"{sample.name}, {name}", waveform=changed)


def _saying_nothing(sample: Sample, name: str, waveform: Tensor) -> Sample:
    """The drawn video is kept: it gives the range of the face's mouth."""
    return replace(
        sample,
        name=f"{sample.name}, {name}",
        waveform=waveform,
        mouth=torch.zeros_like(sample.mouth),
        phonemes=torch.full_like(sample.phonemes, SILENT),
        closures=sample.closures[:0],
    )
