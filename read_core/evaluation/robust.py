"""How the lips hold up on what users feed: one row per condition of the recording or of the portrait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ..media import fit_image, read_image
from .cast import LIP_COLUMNS, LIP_NOTE, Cast
from .facts import facts_of
from .material import Sample, draw_sample, film, speakers_here
from .pictures import COLUMNS, save_rows, spread
from .portraits import lit, other_sizes, reframed, resized
from .report import Cell, Report, make_folder, mean
from .seams import whole_clips
from .sounds import (
    FAST_RATE,
    PLAIN_RATE,
    SLOW_RATE,
    active_samples,
    at_level,
    by_telephone,
    said_at,
    said_in_german,
    sung,
    with_music,
)
from .videos import Setting, Studio

if TYPE_CHECKING:
    from torch import Tensor

    from ..corpus.utterance import Utterance
    from ..pipeline import ReadPipeline

AS_IS = "as in the corpus"
_SEED = 3_000
_QUIET = -40.0  # dBFS
_SIDE = 96  # pixels


@dataclass(frozen=True)
class RobustSize:
    """How much is generated.

    Attributes:
        count: faces of each condition.
        clips: of each video.
        steps: per clip; 0: the checkpoint's.
        snrs: decibels of speech over music.
        ratios: sides of other videos by the checkpoint's, rounded to what a VAE takes.
    """

    count: int = 4
    clips: int = 2
    steps: int = 0
    snrs: tuple[float, ...] = (20.0, 10.0, 5.0, 0.0)
    ratios: tuple[float, ...] = (0.5, 0.75, 1.25, 1.5, 2.0)


QUICK = RobustSize(count=1, clips=1, steps=1, snrs=(10.0,), ratios=(0.5,))


@dataclass(frozen=True)
class Condition:
    """What is fed: samples, and the size of the video where it is not the checkpoint's."""

    name: str
    samples: Sequence[Sample]
    size: tuple[int, int] | None = None


def run_robust(
    pipe: ReadPipeline, size: RobustSize, out: Path, seed: int = 0, photo: Path | None = None
) -> Report:
    """Measure lips under each condition on the test split; write report and contact sheet into ``out``.

    Args:
        pipe: the checkpoint.
        size: how much is generated.
        out: folder of the results.
        seed: of the noise.
        photo: a picture of any kind that is animated and shown on the sheet; nothing is measured on it.

    Raises:
        SynthesiserError: espeak-ng is not installed (flite is left out with a warning).
        MediaError: ``photo`` cannot be read, or ``out`` cannot be written.
    """
    picture = None if photo is None else read_image(photo)
    make_folder(out)
    studio = Studio(pipe)
    plain = Setting(steps=size.steps or None, seed=seed)
    rows: list[tuple[Cell, ...]] = []
    sheet: list[tuple[str, list[Tensor]]] = []
    photographed: list[tuple[str, list[Tensor]]] = []
    base = float("nan")
    for condition in tqdm(conditions(pipe, size), desc="conditions", leave=False):
        cast = Cast(studio, condition.samples, replace(plain, size=condition.size), condition.name)
        row = cast.row()
        opening = float(row[LIP_COLUMNS.index("open r")])
        if condition.name == AS_IS:
            base = opening
            if picture is not None:
                photographed = [_animated(studio, condition.samples[0], picture, plain)]
        ratio = opening / base if base > 0 else float("nan")
        rows.append((condition.name, mean(score.opening for score in cast.measure), ratio, *row))
        sheet.append((condition.name.replace(", ", ",\n"), spread(cast.videos[0].frames, COLUMNS)))
    report = Report(
        f"{pipe.card.name} on other recordings and portraits",
        facts_of(pipe, seed, size),
    )
    report.add(
        "Lips under other conditions",
        ("condition", "measure r", f"open r by {AS_IS}", *LIP_COLUMNS),
        rows,
        f"{LIP_NOTE} Measure r: on the drawn videos, pictures changed as the portrait was. Recordings are "
        f"those of the corpus, {AS_IS} or with something added, and others that are said or sung without any "
        "disturbance; portraits go with the recordings as they are.",
    )
    report.write(out, "robust")
    save_rows(sheet + photographed, out / "robust.png", _SIDE)
    return report


def conditions(pipe: ReadPipeline, size: RobustSize) -> Iterator[Condition]:
    """Every condition, made when it is asked for."""
    resolution = pipe.card.resolution
    frames = whole_clips(size.clips, pipe.defaults.window)
    speakers = speakers_here()
    faces = [(_SEED + index, speakers[index % len(speakers)]) for index in range(size.count)]
    base = [draw_sample(seed, "test", frames, resolution, speaker) for seed, speaker in faces]
    yield Condition(AS_IS, base)
    for name, change in _sounds(size):
        yield Condition(name, [_with_sound(sample, name, change) for sample in base])
    for name, say in _speeches():
        yield Condition(
            name,
            [film(say(seed, frames), seed, "test", resolution, name, f"{name}, {seed}") for seed, _ in faces],
        )
    for height, width in other_sizes(resolution, size.ratios):
        drawn = [draw_sample(seed, "test", frames, (height, width), speaker) for seed, speaker in faces]
        yield Condition(f"video of {width} x {height}", drawn, (height, width))
    for name, look in _LOOKS:
        yield Condition(name, [replace(s, name=f"{s.name}, {name}", pixels=look(s.pixels)) for s in base])


def _sounds(size: RobustSize) -> Iterator[tuple[str, Callable[[Tensor, Tensor], Tensor]]]:
    for snr in size.snrs:
        yield f"music, {snr:g} dB below", partial(with_music, snr=snr)
    yield "telephone, 300 to 3400 Hz", lambda waveform, _: by_telephone(waveform)
    yield f"recorded at {_QUIET:g} dBFS", partial(at_level, decibels=_QUIET)


def _speeches() -> Iterator[tuple[str, Callable[[int, int], Utterance]]]:
    for word, rate in (("plain", PLAIN_RATE), ("fast", FAST_RATE), ("slow", SLOW_RATE)):
        yield f"{word} speech, {rate} words a minute", partial(said_at, rate)
    yield "German", said_in_german
    yield "singing tone", sung


_LOOKS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("picture at half size", partial(resized, ratio=0.5)),
    ("picture at triple size", partial(resized, ratio=3.0)),
    ("face to the left", partial(reframed, right=-0.12)),
    ("face below the middle", partial(reframed, down=0.12)),
    ("face smaller", partial(reframed, zoom=0.75)),
    ("face larger", partial(reframed, zoom=1.25)),
    ("darker", partial(lit, gains=(0.5, 0.5, 0.5))),
    ("brighter", partial(lit, gains=(1.4, 1.4, 1.4))),
    ("redder light", partial(lit, gains=(1.2, 1.0, 0.75))),
)


def _with_sound(sample: Sample, name: str, change: Callable[[Tensor, Tensor], Tensor]) -> Sample:
    heard = change(sample.waveform, active_samples(sample.phonemes))
    return replace(sample, name=f"{sample.name}, {name}", waveform=heard)


def _animated(studio: Studio, sample: Sample, picture: Tensor, setting: Setting) -> tuple[str, list[Tensor]]:
    """The sheet's row of a photograph (H, W, 3) that says what ``sample`` says."""
    fitted = fit_image(picture, studio.pipe.card.resolution)[0]
    pixels = (fitted * 255).round().byte()[None]
    video = studio.asynchronous(replace(sample, name="photograph", pixels=pixels), setting)
    return "a photograph,\nand its video", [fitted, *spread(video.frames, COLUMNS - 1)]
