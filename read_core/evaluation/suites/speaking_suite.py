"""The part of the suite ``tiny`` that measures talking photographs and drawn presenters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...corpus.speech.sentences import SPLITS
from ...records import SamplingSettings
from ..material.labels import read_labels
from ..material.samples import speakers_here
from ..material.talks import FINE, PHOTOGRAPHS, TalkSource, closed_stills
from ..material.videos import VideoGenerator
from ..metrics.seams import whole_clips
from ..pictures.talk_sheets import PRIVATE, PUBLIC, TalkSheet, rows_of_talk
from ..tables.speaking import add_speaking
from .real import REAL, RealFigures, add_real, animate, real_figures, real_photographs
from .talk_results import KeptTalks, TalkMeasurer, Workers, measure_talks

if TYPE_CHECKING:
    from ...pipeline import ReadPipeline
    from ..tables.report import Report
    from ..tables.speaking import TalkFigures

BLENDS = Path(__file__).parents[3] / "assets" / "faces"
"""Portraits of nobody, blended from several faces each, that may be shown."""
TALKS = "talks"
"""Folder of the results of single talks."""
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
    report: Report,
    pipe: ReadPipeline,
    size: SpeakingSize,
    out: Path,
    seed: int,
    faces: Path | None = None,
    workers: Workers | None = None,
) -> tuple[dict[str, TalkFigures], RealFigures | None, KeptTalks]:
    """Add the tables of talks and write the sheets into ``out``.

    Real photographs and blended faces are animated where the checkpoint was trained on aligned faces. What is
    absent is said in the report's facts.

    Args:
        report: gets tables and facts.
        pipe: the checkpoint.
        size: how much is generated.
        out: folder of the sheets, and of the results of single talks while the evaluation runs.
        seed: the first one of the noise.
        faces: folder of portraits, see ``corpus.photo.stills``; None: photographs are left out.
        workers: measure talks in several processes; None: in this one.

    Returns:
        Figures of each kind of talks; of real photographs if there are any; and the results on disk, to be
        removed when the report is written.

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
    one_clip = whole_clips(1, window)
    photographs = [] if faces is None else source.photographs(faces, size.faces)
    orders = [*photographs, *source.presenters(size.drawn)]
    shown = tuple(order.name for order in photographs[: size.sheets])
    measurer = TalkMeasurer(source, tuple(range(seed, seed + size.seeds)), one_clip, shown)
    kept = KeptTalks(out / TALKS, measurer.key(pipe))
    measured = measure_talks(pipe, measurer, orders, kept, workers)
    results, private = [], TalkSheet()
    for result, rows in tqdm(measured, "talks", len(orders), leave=False):
        results.append(result)
        if rows is not None:
            private.add_talk(rows)
    found = add_speaking(report, results, size.side, labels)
    count = len(photographs)
    report.metadata[PHOTOGRAPHS] = (
        "not measured: give a folder of portraits as --faces" if faces is None else f"{count} test faces"
    )
    private.save(out / PRIVATE)
    if pipe.card.face is None:
        report.metadata[REAL.lower()] = "not measured: the checkpoint was not trained on aligned faces"
        return found, None, kept
    sheet = TalkSheet()
    short = replace(source, frames=one_clip)
    real = _add_real_photographs(report, pipe, short, size, seed, sheet)
    _show_blended(pipe, short, seed, sheet)
    sheet.save(out / PUBLIC)
    return found, real, kept


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
        sheet.add_talk(rows_of_talk(talk, generator.coded(talk, source.frames), made))
