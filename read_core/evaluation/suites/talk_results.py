"""Generate talks with several seeds and measure them, one talk in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...geometry import latents_of_frames
from ...records import SamplingSettings
from ..material.videos import VideoGenerator
from ..metrics.codec_detail import Coded, coded_of
from ..metrics.seams import clip_starts
from .speaking import Speaking, read_talk, speaking_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...pipeline import ReadPipeline
    from ..material.talks import Talk

OnTalk = Callable[["Talk", "Tensor", "Tensor"], None]


@dataclass(frozen=True)
class TalkResult:
    """All kept results of a talk.

    Attributes:
        name, kind, face, synthesizer: the talk's.
        rendered: figures of the talk itself (upper bound of the reader).
        coded: figures of its first clip after the codec.
        generated: figures of the video of each seed.
    """

    name: str
    kind: str
    face: str
    synthesizer: str
    rendered: Speaking
    coded: Coded
    generated: tuple[Speaking, ...]


def measure_talks(
    pipe: ReadPipeline,
    talks: Iterable[Talk],
    seeds: Sequence[int],
    coded_frames: int,
    on_talk: OnTalk | None = None,
) -> list[TalkResult]:
    """Measure every talk.

    Args:
        pipe: the checkpoint.
        talks: drawn lazily, and released afterwards.
        seeds: seeds of the noise; one video per seed.
        coded_frames: frames of each talk for the codec, 8 n + 1.
        on_talk: called with each talk, its frames after the codec and the video of the first seed.
    """
    found = []
    for talk in talks:
        generator = VideoGenerator(pipe)  # its cache of encoded portraits is released with the talk
        starts = clip_starts(latents_of_frames(len(talk.pixels)), pipe.defaults.window)
        true = talk.frames
        truth = read_talk(true, talk)
        rendered = speaking_of(true, truth, talk, truth, starts)
        del true
        through = generator.coded(talk, coded_frames)
        coded = coded_of(through, talk)
        generated = []
        for index, seed in enumerate(seeds):
            frames = generator.finished(talk, SamplingSettings(seed=seed))
            generated.append(speaking_of(frames, read_talk(frames, talk), talk, truth, starts))
            if on_talk is not None and index == 0:
                on_talk(talk, through, frames)
        of = (talk.name, talk.kind, talk.face, talk.synthesizer)
        found.append(TalkResult(*of, rendered, coded, tuple(generated)))
    return found
