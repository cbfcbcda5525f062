"""Compare a student with its teacher at equal noise: lips, pictures, seams, seconds, evaluations per clip.

All of them sample every talk with the same seeds. Frames are the model's own, without the detail step.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...ans import DistilledCFG, NoCFG
from ...errors import InputError
from ...geometry import SAMPLE_RATE, clips_of_latents, latents_of_frames
from ...records import SamplingSettings
from ..figures import column, mean_figures
from ..material.samples import speakers_here
from ..material.talks import TalkSource, closed_stills
from ..material.videos import encode_framed
from ..metrics.face import read_placed
from ..metrics.intervals import Estimate, difference_of_means
from ..metrics.psnr import psnr, psnr_in_boxes
from ..metrics.seams import clip_starts, score_seams, whole_clips
from ..metrics.span import opening_span
from ..metrics.sync import score_sync
from ..tables.metadata import report_metadata
from ..tables.report import Report, make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from ...pipeline import ReadPipeline
    from ...records import Reference, ResolvedSettings, SpeechCodes
    from ..material.talks import Talk

_NOTE = (
    "open r: correlation of the mouth's opening with the true one; range: 5th to 95th percentile of the "
    "opening, by the truth's; PSNR in dB, of the whole frames to the "
    "true ones, of the mouth's box, and to the teacher's frames of the same noise; seam: jump between clips "
    "by that within latents (1: none); seconds: of sampling a clip. Means over talks and seeds."
)
_PAIRED = (
    "Differences to the teacher with the same talk and seed, with 95 % intervals over talks (a talk's seeds "
    "are averaged). An interval that holds 0 does not tell them apart."
)


@dataclass(frozen=True)
class DistillSize:
    """Size of the suite.

    Attributes:
        count: drawn presenters, and with a folder of portraits as many photographs.
        clips: clips of each, at least 2 for seams.
        seeds: videos of each talk and setting.
    """

    count: int = 6
    clips: int = 2
    seeds: int = 3


QUICK = DistillSize(count=1, seeds=1)


@dataclass(frozen=True)
class VideoFigures:
    """Of one video, or means."""

    opening: float = column("open r")
    span: float = column("range")
    decibels: float = column("PSNR")
    mouth: float = column("PSNR, mouth")
    to_teacher: float = column("PSNR to teacher")
    seam: float = column("seam")
    seconds: float = column("s per clip")
    evaluations: float = column("evaluations per clip")


@dataclass(frozen=True)
class AgainstTeacher:
    """Paired differences of a setting's videos to the teacher's."""

    opening: Estimate = column("open r", "95 %")
    span: Estimate = column("range", "95 %")
    decibels: Estimate = column("PSNR", "95 %")
    mouth: Estimate = column("PSNR, mouth", "95 %")
    seam: Estimate = column("seam", "95 %")


def settings_of(pipe: ReadPipeline) -> dict[str, ResolvedSettings]:
    """Name -> setting: teacher, teacher with the student's steps, no guidance, student; the teacher first.

    The student is also sampled with the least and the largest beta that it learned.

    Raises:
        InputError: the checkpoint has no student.
    """
    own, defaults = pipe.defaults.student, pipe.defaults
    chosen = [SamplingSettings(), SamplingSettings(own.steps), SamplingSettings(own.steps, NoCFG())]
    trained = () if pipe.student is None else pipe.student.steps
    chosen += [SamplingSettings(steps, own.guidance) for steps in dict.fromkeys((own.steps, *trained))]
    resolved = [settings.resolved(defaults) for settings in chosen]
    named = {f"{each.guidance.kind}, {each.steps} steps": each for each in resolved}
    if pipe.student is not None and isinstance(own.guidance, DistilledCFG):
        for beta in sorted({*pipe.student.beta} - {own.guidance.beta}):
            scales = DistilledCFG(own.guidance.alpha, beta)
            name = f"distilled, {own.steps} steps, beta {beta:g}"
            named[name] = SamplingSettings(own.steps, scales).resolved(defaults)
    if resolved[0].guidance.kind == own.guidance.kind:
        raise InputError("the checkpoint's default guidance is the student; expected the teacher's")
    return named


def run_distill(
    pipe: ReadPipeline, size: DistillSize, out: Path, seed: int = 0, faces: Path | None = None
) -> Report:
    """Measure a checkpoint's student on the test split; write the report into ``out``.

    Args:
        pipe: the checkpoint.
        size: how much of everything.
        out: folder of the results.
        seed: the first seed.
        faces: folder of portraits whose test faces are animated, see ``corpus.photo.stills``; None: none are.

    Raises:
        InputError: the checkpoint has no student, or the folder is not one of portraits.
        SynthesizerError: espeak-ng is not installed.
        MediaError: ``out`` cannot be written.
    """
    settings = settings_of(pipe)
    if faces is not None:
        closed_stills(faces, "test")
    make_folder(out)
    talks = talks_of(pipe, size, faces)
    found: dict[str, list[list[VideoFigures]]] = {name: [] for name in settings}  # per talk and seed
    for talk in tqdm(talks, desc="talks", leave=False):
        for name, videos in _measured(pipe, talk, settings, range(seed, seed + size.seeds)).items():
            found[name].append(videos)
    metadata = report_metadata(pipe, seed, size) | {"talks": len(talks)}
    report = Report(f"{pipe.card.name}: student and teacher at equal noise", metadata)
    means = {name: [mean_figures(videos) for videos in own] for name, own in found.items()}
    rows = [(name, mean_figures(own)) for name, own in means.items()]
    report.add_figures("Student and teacher", "guidance", VideoFigures, rows, _NOTE)
    teacher, *others = means
    paired = [(name, against(means[name], means[teacher])) for name in others]
    report.add_figures(f"Against {teacher}", "guidance", AgainstTeacher, paired, _PAIRED)
    report.write(out, "distill")
    return report


def against(own: Sequence[VideoFigures], teacher: Sequence[VideoFigures]) -> AgainstTeacher:
    """Differences of the figures of the same talks."""

    def difference(name: str) -> Estimate:
        return difference_of_means(*([getattr(each, name) for each in side] for side in (own, teacher)))

    return AgainstTeacher(*(difference(name) for name in ("opening", "span", "decibels", "mouth", "seam")))


def talks_of(pipe: ReadPipeline, size: DistillSize, faces: Path | None) -> list[Talk]:
    """Talks of the test split at the model's size: photographs if there are faces, and drawn presenters."""
    card, frames = pipe.card, whole_clips(size.clips, pipe.defaults.window)
    source = TalkSource("test", frames, card.resolution, card.face, speakers_here(), min(card.resolution))
    photographs = [] if faces is None else source.photographs(faces, size.count)
    return [source.draw(order) for order in (*photographs, *source.presenters(size.count))]


def _measured(
    pipe: ReadPipeline, talk: Talk, settings: dict[str, ResolvedSettings], seeds: range
) -> dict[str, list[VideoFigures]]:
    """Figures of one talk by setting, one per seed."""
    speech = pipe.encode_speech(talk.waveform, SAMPLE_RATE)
    reference = encode_framed(pipe, talk.portrait)
    places = reference.latent.shape[3] * reference.latent.shape[4]
    found: dict[str, list[VideoFigures]] = {name: [] for name in settings}
    for seed in seeds:
        teacher: Tensor | None = None
        for name, each in settings.items():
            frames, seconds = made(pipe, speech, reference, each, seed)
            teacher = frames if teacher is None else teacher
            evaluations = each.evaluations(pipe.defaults.shift_at(each.window * places))
            found[name].append(figures_of(frames, teacher, talk, each.window, (seconds, evaluations)))
    return found


def made(
    pipe: ReadPipeline, speech: SpeechCodes, reference: Reference, settings: ResolvedSettings, seed: int
) -> tuple[Tensor, float]:
    """Frames (F, H, W, 3) on the CPU, and the seconds of sampling a clip."""
    chosen = SamplingSettings(settings.steps, settings.guidance, settings.window, seed)
    start = time.perf_counter()
    latents = pipe.sample(speech, reference, chosen)
    clips = clips_of_latents(latents_of_frames(speech.num_frames), settings.window)
    seconds = (time.perf_counter() - start) / clips
    return pipe.decode(latents, speech.num_frames).cpu(), seconds


def figures_of(
    frames: Tensor, teacher: Tensor, talk: Talk, window: int, cost: tuple[float, int]
) -> VideoFigures:
    """Figures of a video.

    Args:
        frames: (F, H, W, 3).
        teacher: what the teacher makes of the same noise, as ``frames``.
        talk: the true video and its speech.
        window: latents per clip.
        cost: seconds and evaluations of a clip.
    """
    true = talk.frames
    seams = score_seams(frames, clip_starts(latents_of_frames(len(frames)), window))
    mouth = read_placed(frames, talk.points).mouth
    span = opening_span(read_placed(true, talk.points).mouth[:, 0])
    return VideoFigures(
        opening=score_sync(mouth, talk.mouth).opening,
        span=opening_span(mouth[:, 0]) / span if span > 0 else float("nan"),
        decibels=psnr(frames[1:], true[1:]),
        mouth=psnr_in_boxes(frames[1:], true[1:], talk.boxes[1:]),
        to_teacher=float("nan") if frames is teacher else psnr(frames[1:], teacher[1:]),
        seam=seams.clips / seams.inside if seams.inside > 0 else float("nan"),
        seconds=cost[0],
        evaluations=float(cost[1]),
    )
