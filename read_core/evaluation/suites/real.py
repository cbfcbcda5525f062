"""Photographs of real people that packages ship: does the mouth follow the recording?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...corpus.speech.utterance import sample_utterance
from ...face.alignment import FaceLayout
from ...finish import Finishing
from ...geometry import FPS, SAMPLE_RATE
from ...media import read_image
from ...records import SamplingSettings
from ..figures import column, mean_figures
from ..metrics.eyes import eye_contrast, faded_frames, open_eyes
from ..metrics.face import read_placed
from ..metrics.span import opening_span
from ..metrics.sync import correlation, count_shut, opening_range, relative_opening

if TYPE_CHECKING:
    from torch import Tensor

    from ...corpus.speech.utterance import Utterance
    from ...pipeline import ReadPipeline
    from ..tables.report import Report

REAL, ALL = "Real photographs", "all"
_SEED = 50_000
_NOTE = (
    "Photographs of real people in the public domain, which matplotlib and scikit-image contain, each with "
    "recordings of the test split. Open, width and round r: correlation of the readings with the tracks of "
    "the recording. Least: the smallest of all videos. Range: 5th to 95th percentile of the opening; 1 is "
    "0.37 of the eye distance. Opening in pauses: relative to the range of the same video. Faded eyes: "
    "relative to the photograph's contrast."
)


@dataclass(frozen=True)
class RealVideo:
    """A real photograph's video.

    Attributes:
        picture: whose it is.
        utterance: what is said.
        frames: (F, h, w, 3), 0..1, finished.
        points: (3, 2) of both eyes and the mouth in the first frame, in pixels.
    """

    picture: str
    utterance: Utterance
    frames: Tensor
    points: Tensor


@dataclass(frozen=True)
class RealFigures:
    """One video, or several in the mean.

    Attributes:
        videos: how many there are.
        opening: correlation of the opening with that of the recording; ``least``: of the worst video.
        width, rounding: correlations of the others.
        span: of the opening.
        quiet: mean opening in pauses as a share of the video's own range.
        blinks: a minute.
        faded: share of the frames with open eyes in which an eye has faded.
    """

    videos: int = column("videos")
    opening: float = column("open r")
    least: float = column("least")
    width: float = column("width r")
    rounding: float = column("round r")
    span: float = column("range")
    quiet: float = column("opening in pauses")
    blinks: float = column("blinks a minute")
    faded: float = column("faded eyes")


def real_photographs() -> dict[str, Tensor]:
    """The pictures (H, W, 3), 0..1, of the packages that are installed."""
    found: dict[str, Tensor] = {}
    try:
        from matplotlib.cbook import get_sample_data

        path = get_sample_data("grace_hopper.jpg", asfileobj=False)
        found["Grace Hopper"] = read_image(Path(str(path)))
    except (ImportError, FileNotFoundError):
        pass
    try:
        from skimage.data import astronaut

        found["the astronaut"] = torch.from_numpy(astronaut()).float() / 255
    except (ImportError, FileNotFoundError):
        pass
    return found


def animate(
    pipe: ReadPipeline, name: str, picture: Tensor, frames: int, speaker: str, seed: int, side: int
) -> RealVideo:
    """A picture says a recording of the test split, as users get it: aligned, with its detail and blinks."""
    utterance = sample_utterance(_SEED + seed, frames / FPS, "test", speaker)
    speech = pipe.encode_speech(utterance.waveform, SAMPLE_RATE)
    reference = pipe.encode_reference(picture)
    latents = pipe.sample(speech, reference, SamplingSettings(seed=seed))
    longest = max(side, *reference.image.shape[:2])
    finish = pipe.finish(reference, None, Finishing(paste_back=False, size=longest, seed=seed))
    made = torch.cat([few.cpu() for few in finish(pipe.decode(latents, speech.num_frames))])
    height, width = made.shape[1:3]
    fractions = reference.points
    if fractions is None:
        fractions = (pipe.card.face or FaceLayout()).points((height, width))
    return RealVideo(name, utterance, made, fractions.cpu() * torch.tensor([width, height]))


def real_figures(video: RealVideo) -> RealFigures:
    """Measure one video."""
    tracks, utterance = read_placed(video.frames, video.points), video.utterance
    opening = tracks.mouth[:, 0]
    cases = count_shut(
        relative_opening(opening, opening_range(opening)),
        utterance.mouth[:, 0],
        utterance.phonemes,
        utterance.closures,
    )
    contrast, seen = eye_contrast(video.frames, tracks.places), open_eyes(tracks.blink)
    fits = [correlation(tracks.mouth[:, i], utterance.mouth[:, i]) for i in range(3)]
    return RealFigures(
        videos=1,
        opening=fits[0],
        least=fits[0],
        width=fits[1],
        rounding=fits[2],
        span=opening_span(opening),
        quiet=cases.quiet,
        blinks=tracks.blinks() / (len(opening) / FPS / 60),
        faded=faded_frames(contrast, contrast[0], seen) / max(1, int(seen.sum())),
    )


def add_real(report: Report, figures: dict[str, list[RealFigures]]) -> RealFigures:
    """A row for each picture and one for all; the figures of all.

    Args:
        report: gets the table.
        figures: of each video, by the picture.
    """
    every = _summary([own for videos in figures.values() for own in videos])
    rows = [(name, _summary(own)) for name, own in figures.items()]
    report.add_figures(REAL, "picture", RealFigures, [*rows, (ALL, every)], _NOTE)
    return every


def _summary(videos: Sequence[RealFigures]) -> RealFigures:
    least = min(own.least for own in videos)
    return replace(mean_figures(videos), videos=len(videos), least=least)
