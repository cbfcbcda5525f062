"""Choose a checkpoint's default guidance and steps, on the validation split only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from ..ans import NoCFG, frames_of_clips
from ..geometry import frames_of_latents
from .guidance import CANDIDATES, describe
from .material import SAID_BY, draw_samples
from .psnr import psnr
from .report import Report, mean
from .sync import score_sync
from .videos import Setting, Studio

if TYPE_CHECKING:
    from ..ans import Guidance
    from ..pipeline import ReadPipeline
    from .material import Sample

_LIP_SHAPE = 0.25  # weight of width and rounding beside the opening
_DECIBEL = 0.1  # what a decibel lost against no guidance costs: a little of it is visible grain
_NOTE = (
    "Score: correlation of the opening, a quarter of that of width and rounding, less 0.1 for each decibel "
    "by which the video is farther from the drawn one than without guidance at as many steps: that is how "
    "colours break."
)


@dataclass(frozen=True)
class SelectSize:
    """How much is tried.

    Attributes:
        count: videos of the validation split, one clip each.
        steps: numbers of steps compared with the best guidance; fewer win within ``tolerance``.
        base_steps: steps at which guidances are compared.
        tolerance: of the score.
    """

    count: int = 6
    steps: tuple[int, ...] = (4, 6, 8, 10)
    base_steps: int = 6
    tolerance: float = 0.01


@dataclass(frozen=True)
class Trial:
    """What one setting gives on average."""

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
    """Rank guidances at one number of steps, then numbers of steps with the best: (guidance, steps, report).

    ``candidates`` must hold ``NoCFG()``, whose decibels the others are compared with.
    """
    size = size or SelectSize()
    frames = frames_of_latents(frames_of_clips(1, pipe.defaults.window) + 1)
    speakers = SAID_BY[:1]  # the held-out synthesiser has no say
    samples = draw_samples("validation", size.count, frames, pipe.card.resolution, speakers=speakers)
    studio = Studio(pipe)
    trials = [
        try_setting(studio, samples, form, size.base_steps, seed)
        for form in tqdm(candidates, desc="guidance", leave=False)
    ]
    plain = next(trial.decibels for trial in trials if trial.guidance.kind == "none")
    trials.sort(key=lambda trial: trial.score(plain), reverse=True)
    best = trials[0].guidance
    by_steps = [
        try_setting(studio, samples, best, steps, seed)
        for steps in tqdm(size.steps, desc="steps", leave=False)
    ]
    plains = [try_setting(studio, samples, NoCFG(), steps, seed).decibels for steps in size.steps]
    scores = [trial.score(decibels) for trial, decibels in zip(by_steps, plains, strict=True)]
    steps = min(
        trial.steps
        for trial, score in zip(by_steps, scores, strict=True)
        if score >= max(scores) - size.tolerance
    )
    report = Report(
        f"Defaults of {pipe.card.name}, chosen on the validation split",
        {"guidance": str(best.to_dict()), "steps": steps, "videos": size.count, "seed": seed},
    )
    by_guidance = [trial.score(plain) for trial in trials]
    for title, group, points in (("Guidance", trials, by_guidance), ("Steps", by_steps, scores)):
        report.add(
            title,
            (
                "guidance",
                "steps",
                "score",
                "open r",
                "width, round r",
                "PSNR to drawn (dB)",
                "seconds per clip",
            ),
            [
                (describe(t.guidance), t.steps, score, t.opening, t.shape, t.decibels, t.seconds)
                for t, score in zip(group, points, strict=True)
            ],
            _NOTE,
        )
    return best, steps, report


def try_setting(studio: Studio, samples: Sequence[Sample], form: Guidance, steps: int, seed: int) -> Trial:
    """Generate every sample with one setting and average what is measured."""
    videos = [studio.asynchronous(sample, Setting(form, steps, seed)) for sample in samples]
    scores = [score_sync(v.mouth, sample.mouth) for v, sample in zip(videos, samples, strict=True)]
    return Trial(
        guidance=form,
        steps=steps,
        opening=mean(score.opening for score in scores),
        shape=mean(0.5 * (score.width + score.rounding) for score in scores),
        decibels=mean(psnr(v.frames, sample.frames) for v, sample in zip(videos, samples, strict=True)),
        seconds=mean(video.seconds for video in videos),
    )
