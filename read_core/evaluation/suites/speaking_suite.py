"""The part of the suite ``tiny`` that measures talking photographs and drawn presenters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...corpus.speech.sentences import SPLITS
from ...records import SamplingSettings
from ..material.labels import read_labels
from ..material.samples import speakers_here
from ..material.talks import FINE, PHOTOGRAPHS, Talk, TalkSource, closed_stills
from ..material.videos import VideoGenerator
from ..metrics.seams import whole_clips
from ..pictures.talk_sheets import PRIVATE, PUBLIC, TalkSheet
from ..tables.speaking import add_speaking
from .real import REAL, RealFigures, add_real, animate, real_figures, real_photographs
from .talk_results import measure_talks

if TYPE_CHECKING:
    from torch import Tensor

    from ...pipeline import ReadPipeline
    from ..tables.report import Report
    from ..tables.speaking import TalkFigures

BLENDS = Path(__file__).parents[3] / "assets" / "faces"
"""Portraits of nobody, blended from several faces each, that may be shown."""
_BLENDED = 60_000  # seed of the first one's recording


@dataclass(frozen=True)
class SpeakingSize:
    """How much is generated.

    Attributes:
        drawn: presenters.
        faces: photographs; 0: all with closed lips.
        seeds: videos of each.
        clips: of each video, at least 2 for seams.
        side: pixels at which talks are rendered and measured.
        real: recordings of each real photograph.
        sheets: faces of the user's folder on the private sheet.
        speakers: synthesizers that take turns; none: those of ``material.speakers_here``.
    """

    drawn: int = 24
    faces: int = 0
    seeds: int = 3
    clips: int = 2
    side: int = FINE
    real: int = 3
    sheets: int = 12
    speakers: tuple[str, ...] = ()


def add_talks(
    report: Report, pipe: ReadPipeline, size: SpeakingSize, out: Path, seed: int, faces: Path | None = None
) -> tuple[dict[str, TalkFigures], RealFigures | None]:
    """Add the tables of talks and write the sheets into ``out``.

    Real photographs and blended faces are animated where the checkpoint was trained on aligned faces. What is
    absent is said in the report's facts.

    Args:
        report: gets tables and facts.
        pipe: the checkpoint.
        size: how much is generated.
        out: folder of the sheets.
        seed: the first one of the noise.
        faces: folder of portraits, see ``corpus.photo.stills``; None: photographs are left out.

    Returns:
        Figures of each kind of talks, and of real photographs if there are any.

    Raises:
        InputError: the folder or its labels cannot be read, or it has no test face with closed lips.
        SynthesizerError: espeak-ng is not installed (flite is left out with a warning).
        MediaError: ``out`` cannot be written.
    """
    speakers = size.speakers or speakers_here()
    window = pipe.defaults.window
    source = TalkSource(
        "test", whole_clips(size.clips, window), pipe.card.resolution, pipe.card.face, speakers, size.side
    )
    labels = {} if faces is None else read_labels(faces)
    count = 0 if faces is None else len(closed_stills(faces, "test", size.faces))
    seeds = range(seed, seed + size.seeds)
    one_clip = whole_clips(1, window)
    private = TalkSheet(size.sheets)
    photographs = () if faces is None else source.photographs(faces, size.faces)
    talks = chain(photographs, source.presenters(size.drawn))

    def show(talk: Talk, coded: Tensor, made: Tensor) -> None:
        if talk.kind == PHOTOGRAPHS:
            private.add_talk(talk, coded, made)

    progress = tqdm(talks, "talks", size.drawn + count, leave=False)
    results = measure_talks(pipe, progress, seeds, one_clip, show)
    found = add_speaking(report, results, size.side, labels)
    report.metadata[PHOTOGRAPHS] = (
        "not measured: give a folder of portraits as --faces" if faces is None else f"{count} test faces"
    )
    private.save(out / PRIVATE)
    if pipe.card.face is None:
        report.metadata[REAL.lower()] = "not measured: the checkpoint was not trained on aligned faces"
        return found, None
    sheet = TalkSheet(len(SPLITS))
    short = replace(source, frames=one_clip)
    real = _add_real_photographs(report, pipe, short, size, seed, sheet)
    _show_blended(pipe, short, seed, sheet)
    sheet.save(out / PUBLIC)
    return found, real


def _add_real_photographs(
    report: Report, pipe: ReadPipeline, source: TalkSource, size: SpeakingSize, seed: int, sheet: TalkSheet
) -> RealFigures | None:
    """The table of real photographs, and a row of the ``sheet`` for each; None: there are none."""
    figures: dict[str, list[RealFigures]] = {}
    for name, picture in real_photographs().items():
        for index in range(size.real):
            speaker = source.speakers[index % len(source.speakers)]
            video = animate(pipe, name, picture, source.frames, speaker, seed + index, size.side)
            figures.setdefault(name, []).append(real_figures(video))
            if index == 0:
                sheet.add_real(video)
    report.metadata[REAL.lower()] = ", ".join(figures) or "not measured: install matplotlib and scikit-image"
    return add_real(report, figures) if figures else None


def _show_blended(pipe: ReadPipeline, source: TalkSource, seed: int, sheet: TalkSheet) -> None:
    """Rows of the ``sheet`` for the blended faces, where they are."""
    if not BLENDS.is_dir():
        return
    stills = [still for split in SPLITS for still in closed_stills(BLENDS, split)]
    for index, still in enumerate(tqdm(stills, "blended faces", leave=False)):
        talk, generator = source.photograph(still, _BLENDED + index, source.speakers[0]), VideoGenerator(pipe)
        made = generator.finished(talk, SamplingSettings(seed=seed))
        sheet.add_talk(talk, generator.coded(talk, source.frames), made)
