"""Choose a checkpoint's default guidance and steps, on the validation split only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...ans import NoCFG
from ...records import SamplingSettings
from ..figures import column, mean_figures, part
from ..material.samples import SAID_BY
from ..material.talks import DRAWN, FINE, PHOTOGRAPHS, TalkSource
from ..material.videos import VideoGenerator
from ..metrics.psnr import psnr_in_boxes
from ..metrics.seams import whole_clips
from ..tables.metadata import weights_digest
from ..tables.report import Report
from .guidance import CANDIDATES, describe
from .speaking import Reading, read_talk, speaking_of

if TYPE_CHECKING:
    from ...ans import Guidance
    from ...pipeline import ReadPipeline
    from ..material.talks import Talk

_RANGE = 0.5  # penalty of a range that is 0 or twice the true one
_LIP_SHAPE = 0.25  # weight of width and rounding relative to the opening
_DECIBEL = 0.1  # penalty per decibel lost compared with no guidance: smeared mouths, broken colors
_FADED = 0.5  # penalty of eyes that fade in every frame
_NOTE = (
    "Score: correlation of the opening, plus a quarter of the correlations of width and rounding, minus half "
    "of the range's distance from 1, minus half of the share of frames with faded eyes, minus 0.1 for each "
    "decibel that the mouth box loses compared with no guidance at the same steps. Range: 5th to 95th "
    "percentile of the opening, divided by that of the rendered video. The decibels detect guidance that is "
    "too strong: it smears mouths, then breaks colors."
)


@dataclass(frozen=True)
class SelectSize:
    """Size of the suite.

    Attributes:
        count: drawn presenters of the validation split, one clip each, and with a folder of portraits as many
            photographs.
        base_steps: steps at which guidances are compared.
        finalists: how many of the best guidances are tried with all numbers of steps.
        steps: these numbers of steps; within ``tolerance`` of the best score the fewest win.
        tolerance: tolerance of the score.
        side: pixels at which talks are rendered and measured.
        speakers: synthesizers, used in turn; without the held-out one.
    """

    count: int = 6
    base_steps: int = 6
    finalists: int = 3
    steps: tuple[int, ...] = (4, 6, 8, 10)
    tolerance: float = 0.01
    side: int = FINE
    speakers: tuple[str, ...] = SAID_BY[:1]


@dataclass(frozen=True)
class TrialFigures:
    """What a setting gives of one talk, or in the mean over talks.

    Attributes:
        opening: correlation of the opening with the true one.
        shape: the mean of those of width and rounding.
        span: range of the opening by that of the talk as it was rendered.
        faded: share of the frames with open eyes in which an eye has faded.
        decibels: of the mouth box.
        seconds: of a clip.
    """

    opening: float = column("open r")
    shape: float = column("width, round r")
    span: float = column("range")
    faded: float = column("faded eyes")
    decibels: float = column("mouth box (dB)")
    seconds: float = column("seconds per clip")

    def score(self, plain: float) -> float:
        """Higher is better; ``plain``: decibels without guidance."""
        lost = max(0.0, plain - self.decibels)
        astray = min(abs(1 - self.span), 1.0)
        lips = self.opening + _LIP_SHAPE * self.shape - _RANGE * astray
        return lips - _FADED * self.faded - _DECIBEL * lost


@dataclass(frozen=True)
class Trial:
    """A guidance that was tried at a number of steps, and its score."""

    guidance: Guidance
    steps: int = column("steps")
    score: float = column("score")
    figures: TrialFigures = part(TrialFigures)


def run_select(
    pipe: ReadPipeline,
    size: SelectSize | None = None,
    seed: int = 0,
    candidates: Sequence[Guidance] = CANDIDATES,
    faces: Path | None = None,
) -> tuple[Guidance, int, Report]:
    """Rank guidances at one number of steps, then steps with the best guidances: (guidance, steps, report).

    Args:
        pipe: the checkpoint.
        size: size of the suite.
        seed: of the noise.
        candidates: guidances.
        faces: folder of portraits; its validation faces count as much as drawn presenters; None: no
            photographs.

    Raises:
        InputError: the folder is not a folder of portraits.
        SynthesizerError: espeak-ng is not installed.
    """
    size = size or SelectSize()
    talks = draw_talks(pipe, size, faces)
    samples = read_talks(talks)
    generator = VideoGenerator(pipe)

    def tried(forms: Sequence[Guidance], steps: int) -> list[Trial]:
        plain = try_setting(generator, samples, NoCFG(), steps, seed)
        work = tqdm(forms, desc=f"{steps} steps", leave=False)
        found = [plain if f == NoCFG() else try_setting(generator, samples, f, steps, seed) for f in work]
        return [
            Trial(form, steps, figures.score(plain.decibels), figures)
            for form, figures in zip(forms, found, strict=True)
        ]

    guidances = sorted(tried(candidates, size.base_steps), key=lambda trial: trial.score, reverse=True)
    finalists = [trial.guidance for trial in guidances[: size.finalists]]
    finals = [trial for steps in size.steps for trial in tried(finalists, steps)]
    chosen = cheapest(finals, size.tolerance)
    report = Report(
        f"Defaults of {pipe.card.name}, chosen on the validation split",
        {
            "guidance": str(chosen.guidance.to_dict()),
            "steps": chosen.steps,
            "videos": ", ".join(
                f"{sum(talk.kind == kind for talk in talks)} {kind}" for kind in (PHOTOGRAPHS, DRAWN)
            ),
            "seed": seed,
            "weights": weights_digest(pipe),
        },
    )
    for title, trials in (("Guidance", guidances), ("Steps", finals)):
        rows = [(describe(trial.guidance), trial) for trial in trials]
        report.add_figures(title, "guidance", Trial, rows, _NOTE)
    return chosen.guidance, chosen.steps, report


def cheapest(trials: Sequence[Trial], tolerance: float) -> Trial:
    """The fewest steps whose score is within ``tolerance`` of the best; of those, the best score."""
    best = max(trial.score for trial in trials)
    good = [trial for trial in trials if trial.score >= best - tolerance]
    return min(good, key=lambda trial: (trial.steps, -trial.score))


def draw_talks(pipe: ReadPipeline, size: SelectSize, faces: Path | None) -> list[Talk]:
    """Talks of the validation split, one clip each: drawn presenters, and photographs if faces are given."""
    frames, card = whole_clips(1, pipe.defaults.window), pipe.card
    source = TalkSource("validation", frames, card.resolution, card.face, size.speakers, size.side)
    photographs = [] if faces is None else source.photographs(faces, size.count)
    return [source.draw(order) for order in (*photographs, *source.presenters(size.count))]


def read_talks(talks: Sequence[Talk]) -> list[tuple[Talk, Reading]]:
    """Talks with the readings of their own frames, which every setting is compared with."""
    return [(talk, read_talk(talk.frames, talk)) for talk in talks]


def try_setting(
    generator: VideoGenerator, talks: Sequence[tuple[Talk, Reading]], form: Guidance, steps: int, seed: int
) -> TrialFigures:
    """Generate every talk with one setting and average the measurements."""
    settings = SamplingSettings(steps, form, seed=seed)
    return mean_figures([_measured(generator, talk, truth, settings) for talk, truth in talks])


def _measured(
    generator: VideoGenerator, talk: Talk, truth: Reading, settings: SamplingSettings
) -> TrialFigures:
    start = time.perf_counter()
    frames = generator.finished(talk, settings)
    seconds = time.perf_counter() - start
    found = speaking_of(frames, read_talk(frames, talk), talk, truth, [])
    return TrialFigures(
        opening=found.sync.opening,
        shape=0.5 * (found.sync.width + found.sync.rounding),
        span=found.span,
        faded=found.faded / max(1, found.seen),
        decibels=psnr_in_boxes(frames, talk.frames, talk.boxes),
        seconds=seconds,
    )
