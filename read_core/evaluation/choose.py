"""Choose a checkpoint's default guidance and steps, on the validation split only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from ..ans import NoCFG, frames_of_clips
from ..geometry import frames_of_latents
from .facts import weights_digest
from .guidance import CANDIDATES, describe
from .material import SAID_BY, draw_samples
from .psnr import psnr_in_boxes
from .report import Report, mean
from .sync import score_sync
from .videos import Setting, Studio

if TYPE_CHECKING:
    from ..ans import Guidance
    from ..pipeline import ReadPipeline
    from .material import Sample
    from .report import Cell

_LIP_SHAPE = 0.25  # weight of width and rounding beside the opening
_DECIBEL = 0.1  # what a decibel lost against no guidance costs: a mouth that smears, colours that break
_NOTE = (
    "Score: correlation of the opening, a quarter of that of width and rounding, less 0.1 for each decibel "
    "by which the mouth box is farther from the drawn one than without guidance at as many steps: that is "
    "how guidance overshoots, into smeared mouths and then broken colours."
)
_COLUMNS = ("guidance", "steps", "score", "open r", "width, round r", "mouth box (dB)", "seconds per clip")


@dataclass(frozen=True)
class SelectSize:
    """How much is tried.

    Attributes:
        count: videos of the validation split, one clip each.
        base_steps: steps at which guidances are compared.
        finalists: how many of the best guidances are tried with all numbers of steps.
        steps: these; fewer win within ``tolerance``.
        tolerance: of the score.
    """

    count: int = 6
    base_steps: int = 6
    finalists: int = 3
    steps: tuple[int, ...] = (4, 6, 8, 10)
    tolerance: float = 0.01


@dataclass(frozen=True)
class Trial:
    """What one setting gives on average; decibels are those of the mouth box."""

    guidance: Guidance
    steps: int
    opening: float
    shape: float
    decibels: float
    seconds: float

    def score(self, plain: float) -> float:
        """Higher is better; ``plain``: decibels without guidance."""
        lost = max(0.0, plain - self.decibels)
        return self.opening + _LIP_SHAPE * self.shape - _DECIBEL * lost


def run_select(
    pipe: ReadPipeline,
    size: SelectSize | None = None,
    seed: int = 0,
    candidates: Sequence[Guidance] = CANDIDATES,
) -> tuple[Guidance, int, Report]:
    """Rank guidances at one number of steps, then steps with the best of them: (guidance, steps, report)."""
    size = size or SelectSize()
    frames = frames_of_latents(frames_of_clips(1, pipe.defaults.window) + 1)
    speakers = SAID_BY[:1]  # the held-out synthesiser has no say
    samples = draw_samples("validation", size.count, frames, pipe.card.resolution, speakers=speakers)
    studio = Studio(pipe)

    def scored(forms: Sequence[Guidance], steps: int) -> list[tuple[float, Trial]]:
        plain = try_setting(studio, samples, NoCFG(), steps, seed)
        tried = tqdm(forms, desc=f"{steps} steps", leave=False)
        trials = [plain if f == NoCFG() else try_setting(studio, samples, f, steps, seed) for f in tried]
        return [(trial.score(plain.decibels), trial) for trial in trials]

    guidances = sorted(scored(candidates, size.base_steps), key=lambda pair: pair[0], reverse=True)
    finalists = [trial.guidance for _, trial in guidances[: size.finalists]]
    finals = [pair for steps in size.steps for pair in scored(finalists, steps)]
    chosen = cheapest(finals, size.tolerance)
    report = Report(
        f"Defaults of {pipe.card.name}, chosen on the validation split",
        {
            "guidance": str(chosen.guidance.to_dict()),
            "steps": chosen.steps,
            "videos": size.count,
            "seed": seed,
            "weights": weights_digest(pipe),
        },
    )
    for title, pairs in (("Guidance", guidances), ("Steps", finals)):
        report.add(title, _COLUMNS, [_row(score, trial) for score, trial in pairs], _NOTE)
    return chosen.guidance, chosen.steps, report


def cheapest(scored: Sequence[tuple[float, Trial]], tolerance: float) -> Trial:
    """The fewest steps whose score is within ``tolerance`` of the best; of those, the best score."""
    best = max(score for score, _ in scored)
    good = [(score, trial) for score, trial in scored if score >= best - tolerance]
    return min(good, key=lambda pair: (pair[1].steps, -pair[0]))[1]


def _row(score: float, trial: Trial) -> tuple[Cell, ...]:
    name, lips = describe(trial.guidance), (trial.opening, trial.shape)
    return (name, trial.steps, score, *lips, trial.decibels, trial.seconds)


def try_setting(studio: Studio, samples: Sequence[Sample], form: Guidance, steps: int, seed: int) -> Trial:
    """Generate every sample with one setting and average what is measured."""
    videos = [studio.asynchronous(sample, Setting(form, steps, seed)) for sample in samples]
    scores = [score_sync(v.mouth, sample.mouth) for v, sample in zip(videos, samples, strict=True)]
    return Trial(
        guidance=form,
        steps=steps,
        opening=mean(score.opening for score in scores),
        shape=mean(0.5 * (score.width + score.rounding) for score in scores),
        decibels=mean(
            psnr_in_boxes(v.frames, s.frames, s.boxes) for v, s in zip(videos, samples, strict=True)
        ),
        seconds=mean(video.seconds for video in videos),
    )
