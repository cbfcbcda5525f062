"""Robustness of lips and pictures to users' inputs: a row per condition of the recording or the portrait."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from ...errors import ignore, warn
from ...media import fit_image, read_image
from ...records import SamplingSettings
from ..figures import column, mean, mean_figures, part
from ..material.conditions import AS_IS, PLAIN, RobustSize, conditions
from ..material.portraits import CROPS
from ..material.sample_set import SampleSet
from ..material.videos import Video, VideoGenerator
from ..metrics.drift import detail
from ..metrics.seams import flicker, still_pixels
from ..metrics.sync import SHUT, LipFigures
from ..pictures.rows import COLUMNS, save_rows, spread
from ..tables.lips import LIP_NOTE
from ..tables.metadata import report_metadata
from ..tables.report import Report, make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from ...pipeline import ReadPipeline
    from ..material.samples import Sample

_PHOTOGRAPH = "a photograph"
_SIDE = 96  # pixels
_BORDER = 8  # outer part of a side that counts as background if the background is unknown
_LIP_NOTE = (
    f"{LIP_NOTE} Measure r: the reader's correlation on the drawn videos, with pictures changed like the "
    f'portrait. By its base: open r divided by that of "{AS_IS}"; for other speech divided by that of '
    f'"{PLAIN}". Recordings are those of the corpus, unchanged or with something added, and others without '
    "noise or music. Changed portraits have unchanged recordings; for a checkpoint of aligned faces the face "
    "is found in them and aligned, as for users. Beyond the framings of "
    f"`read-core corpus --framing`: {', '.join(crop.name for crop in CROPS if crop.beyond)}."
)
_PICTURE_NOTE = (
    "Color: distance of the video's mean color from that of the given portrait, in 1/255. Flicker: mean "
    "difference of neighboring frames in the background, which does not move in the drawn video, in 1/255; "
    "for a photograph in the outer eighth of its left, right and upper side. Detail: mean difference of "
    "neighboring pixels, divided by that of the portrait."
)
_OPENING_NOTE = (
    "Opening in the last three quarters of the videos, relative to the range of the same face's drawn video "
    "with speech: mean, 95th percentile, and the share of frames below a tenth. Music and noise are as loud "
    f'as speech. "{AS_IS}" is a video with speech, for comparison.'
)


@dataclass(frozen=True)
class ConditionLips:
    """Lips under a condition.

    Attributes:
        measure: correlation of the opening as it is read of the drawn videos.
        by_base: correlation of the opening by that under the condition it is compared with.
        lips: of the videos.
    """

    measure: float = column("measure r")
    by_base: float = column("open r by its base")
    lips: LipFigures = part(LipFigures)


@dataclass(frozen=True)
class PictureFigures:
    """Pictures of one video, or of several in the mean.

    Attributes:
        videos: how many there are.
        color: distance of the mean color from the portrait's, in 1/255.
        flicker: of the still background, in 1/255.
        detail: mean difference of neighboring pixels by that of the portrait.
    """

    videos: int = column("count")
    color: float = column("color")
    flicker: float = column("flicker")
    detail: float = column("detail")


@dataclass(frozen=True)
class OpeningFigures:
    """Openings in the last three quarters of videos, relative to the speakers' ranges.

    Attributes:
        videos: how many there are.
        opening: the mean.
        high: what 95 % of the frames lie below.
        shut: share of the frames with a closed mouth.
    """

    videos: int = column("count")
    opening: float = column("opening")
    high: float = column("95 % below")
    shut: float = column("shut")


def run_robust(
    pipe: ReadPipeline, size: RobustSize, out: Path, seed: int = 0, photo: Path | None = None
) -> Report:
    """Measure each condition on the test split; write report and contact sheet into ``out``.

    Args:
        pipe: the checkpoint.
        size: how much is generated.
        out: folder of the results.
        seed: of the noise.
        photo: any picture; it is animated, shown on the sheet, and its pictures but not its lips are
            measured.

    Raises:
        SynthesizerError: espeak-ng is not installed (flite is left out with a warning).
        MediaError: ``photo`` cannot be read, or ``out`` cannot be written.
    """
    picture = None if photo is None else read_image(photo)
    make_folder(out)
    settings = SamplingSettings(steps=size.steps or None, seed=seed)
    lips: list[tuple[str, ConditionLips]] = []
    pictures: list[tuple[str, PictureFigures]] = []
    openings: list[tuple[str, OpeningFigures]] = []
    sheet: list[tuple[str, list[Tensor]]] = []
    found: dict[str, float] = {}  # correlation of the opening under each condition
    photographed: tuple[Tensor, Video] | None = None
    for condition in tqdm(conditions(pipe, size), desc="conditions", leave=False):
        # A recording without speech may be silent.
        generator = VideoGenerator(pipe, condition.size, ignore if condition.wordless else warn)
        sample_set = SampleSet(generator, condition.samples, settings, condition.name)
        sheet.append((condition.name.replace(", ", ",\n"), spread(sample_set.videos[0].frames, COLUMNS)))
        if condition.wordless or condition.name == AS_IS:
            openings.append((condition.name, opening_figures(sample_set.openings)))
        if condition.pictured:
            pictures.append((condition.name, _pictures_of(sample_set)))
        if not condition.wordless:
            figures = sample_set.figures()
            found[condition.name] = figures.opening
            base = found[condition.base]
            by_base = figures.opening / base if base > 0 else float("nan")
            measure = mean(score.opening for score in sample_set.measure)
            lips.append((condition.name, ConditionLips(measure, by_base, figures)))
        if condition.name == AS_IS and picture is not None:
            photographed = _animated(generator, condition.samples[0], picture, settings)
    if photographed is not None:
        portrait, video = photographed
        border = _border(*portrait.shape[:2])
        pictures.append((_PHOTOGRAPH, picture_figures(video.frames, portrait, border)))
        sheet.append((f"{_PHOTOGRAPH},\nand its video", [portrait, *spread(video.frames, COLUMNS - 1)]))
    report = Report(f"{pipe.card.name} on other recordings and portraits", report_metadata(pipe, seed, size))
    report.add_figures("Lips under other conditions", "condition", ConditionLips, lips, _LIP_NOTE)
    report.add_figures("Pictures of other portraits", "portrait", PictureFigures, pictures, _PICTURE_NOTE)
    report.add_figures("Where nothing is said", "recording", OpeningFigures, openings, _OPENING_NOTE)
    report.write(out, "robust")
    save_rows(sheet, out / "robust.png", _SIDE)
    return report


def opening_figures(openings: list[Tensor]) -> OpeningFigures:
    """Of tracks (F,), relative to the speakers' ranges."""
    later = torch.cat([opening[len(opening) // 4 :] for opening in openings]).clamp(min=0)
    return OpeningFigures(
        videos=len(openings),
        opening=float(later.mean()),
        high=float(later.quantile(0.95)),
        shut=float((later < SHUT).float().mean()),
    )


def picture_figures(frames: Tensor, portrait: Tensor, still: Tensor) -> PictureFigures:
    """Of one video.

    Args:
        frames: (F, H, W, 3), 0..1.
        portrait: (H, W, 3), the input fitted to the video.
        still: (H, W) bool, the background.
    """
    color = frames.mean(dim=(0, 1, 2)) - portrait.mean(dim=(0, 1))
    return PictureFigures(
        videos=1,
        color=float(color.norm()) * 255,
        flicker=flicker(frames, still),
        detail=detail(frames) / detail(portrait[None]),
    )


def _pictures_of(sample_set: SampleSet) -> PictureFigures:
    every = []
    for sample, video in zip(sample_set.samples, sample_set.videos, strict=True):
        height, width = video.frames.shape[1:3]
        drawn = torch.stack([fit_image(frame, (height, width))[0] for frame in sample.frames])
        every.append(picture_figures(video.frames, drawn[0], still_pixels(drawn)))
    return replace(mean_figures(every), videos=len(every))


def _border(height: int, width: int) -> Tensor:
    """The outer eighth of the left, right and upper side: (H, W) bool."""
    where = torch.zeros(height, width, dtype=torch.bool)
    where[: height // _BORDER] = True
    where[:, : width // _BORDER] = True
    where[:, -(width // _BORDER) :] = True
    return where


def _animated(
    generator: VideoGenerator, sample: Sample, picture: Tensor, settings: SamplingSettings
) -> tuple[Tensor, Video]:
    """A fitted photograph (H, W, 3), and its video with the recording of ``sample``."""
    fitted = fit_image(picture, generator.pipe.card.resolution)[0]
    pixels = (fitted * 255).round().byte()[None]
    return fitted, generator.asynchronous(replace(sample, name=_PHOTOGRAPH, pixels=pixels), settings)
