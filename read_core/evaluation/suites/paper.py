"""Run the paper's experiments, Tables 1, 2 and 3 and Figures 2 and 3, by one procedure.

Takes are written as files, every way to make videos generates them with several seeds, and all videos are
measured as ``read-core evaluate videos`` measures any. Existing files are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...checkpoint import describe as describe_checkpoint
from ...errors import InputError
from ...records import SamplingSettings
from ...version import __version__
from ..comparison import REAL, Comparison, Tools
from ..material.made import check_made
from ..material.samples import speakers_here
from ..material.takes import Take, drawn_recordings, real_recordings, write_takes
from ..material.video_files import held_out_split, pick_frames
from ..measures import METRICS
from ..metrics.seams import whole_clips
from ..networks.files import FILES
from ..pictures.boundary import save_boundary
from ..pictures.heatmap import REACH, difference_maps, save_heatmaps
from ..pictures.page import save_page
from ..pictures.plots import TradeOff, plot_trade_off
from ..tables.paper import Measurements, PaperFigures, Row, add_paper_table
from ..tables.report import Report, make_folder
from .guidance import compared_with, describe
from .videos import ReasonFigures, add_networks, check_metrics
from .ways import Maker, Way, videos_of

if TYPE_CHECKING:
    from ...checkpoint import CheckpointInfo


@dataclass(frozen=True)
class PaperSize:
    """How much is generated.

    Attributes:
        count: recordings.
        seeds: sampling seeds.
        clips: lengths of the videos in whole clips, rising.
        steps: numbers of steps to compare.
        side: of drawn recordings in pixels; 0: see ``material.takes.drawn_recordings``.
        speakers: synthesizers that take turns; none: those of ``material.samples.speakers_here``.
    """

    count: int = 12
    seeds: int = 3
    clips: tuple[int, ...] = (1,)
    steps: tuple[int, ...] = ()
    side: int = 0
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True)
class PaperInputs:
    """What an experiment is about.

    Attributes:
        checkpoint: the measured one.
        again: Fig. 2: further trainings of it.
        against: Fig. 2: trainings of one with synchronous noise; none: it is not compared.
        variants: Table 2: checkpoints by name, several trainings for each.
        methods: Table 1: folders of other methods' videos by name.
        reference: folder of real videos, of prepared footage only people held out; None: drawn recordings of
            the corpus's test split.
        faces: folder of portraits that are animated as recordings too.
    """

    checkpoint: Path
    again: Sequence[Path] = ()
    against: Sequence[Path] = ()
    variants: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    methods: Mapping[str, Path] = field(default_factory=dict)
    reference: Path | None = None
    faces: Path | None = None


@dataclass(frozen=True)
class Made:
    """A way, its takes and its videos of the first training and seed."""

    way: Way
    takes: Sequence[Take]
    videos: Mapping[str, Path]


Cases = Sequence[tuple[Way, Sequence[Take]]]


@dataclass(frozen=True)
class Experiment:
    """One of the paper's experiments.

    Attributes:
        title: of its table.
        label: what its rows are.
        size, quick: how much is generated.
        cases: ways and their takes, from the inputs, the size, the checkpoint and the takes of each length.
        draw: writes pictures into a folder, and facts into the report; returns the pictures.
    """

    title: str
    label: str
    size: PaperSize
    quick: PaperSize
    cases: Callable[[PaperInputs, PaperSize, CheckpointInfo, Sequence[Sequence[Take]]], Cases]
    draw: Callable[[Report, Path, Sequence[Made], Sequence[PaperFigures], int], list[Path]]


def run_paper(
    name: str, inputs: PaperInputs, size: PaperSize, tools: Tools, out: Path, seed: int = 0
) -> Report:
    """Run an experiment; write ``name``.txt, .md, .csv, .json, .html and its pictures into ``out``.

    Args:
        name: one of ``EXPERIMENTS``.
        inputs: checkpoints and material.
        size: how much is generated.
        tools: feature networks, device and warnings. Without a folder of weights FID, FVD, Sync and E-FID
            are left out.
        out: folder of videos and results.
        seed: the first one of the noise.

    Raises:
        InputError: something that the experiment needs is missing, or does not fit.
        ReadError: a checkpoint or video cannot be read, or a file not written.
    """
    experiment = EXPERIMENTS[name]
    info = describe_checkpoint(inputs.checkpoint)
    window = info.defaults.window
    lengths = size.clips
    metrics = [metric for metric in METRICS if tools.weights is not None or metric not in FILES]
    if max(lengths) == 1:
        metrics.remove("seams")
    check_metrics(metrics, tools)
    for others in (*inputs.variants.values(), inputs.again, inputs.against):
        for other in others:
            _check_alike(info, describe_checkpoint(other))
    make_folder(out)
    takes = _takes(inputs, size, info, out)
    cases = experiment.cases(inputs, size, info, takes)
    maker = Maker(tools.device, tools.on_warning)
    rows, made, reasons = [], [], []
    real: dict[str, Any] = {}
    for way, own in cases:
        runs: list[list[Measurements]] = []
        first: dict[str, Path] = {}
        for number, checkpoint in enumerate(way.checkpoints or (None,), start=1):
            runs.append([])
            for index in range(size.seeds if checkpoint is not None else 1):
                if checkpoint is None:
                    videos = videos_of(way, own, tools.on_warning)
                else:
                    folder = out / way.folder / f"training-{number}-seed-{seed + index}"
                    videos = maker.make(way, checkpoint, seed + index, own, folder)
                work = Comparison(
                    videos,
                    {take.name: take.video for take in own},
                    tools,
                    maker.joins(way),
                    {take.name: take.recording for take in own},
                )
                found = {metric: METRICS[metric].measure(work) for metric in metrics}
                runs[-1].append(found)
                reasons += [
                    (f"{one.side} {one.name}", ReasonFigures(one.metric, f"{way.name}: {one.reason}"))
                    for one in work.left_out
                ]
                first, real = first or dict(videos), real or found
        rows.append(Row(way.name, runs, {take.name: take.recording for take in own}))
        made.append(Made(way, own, first))
    facts: dict[str, Any] = {
        "weights": _weights(cases, maker.digests),
        "recordings": f"{len({take.recording for take in takes[-1]})}, "
        + ("of the corpus's test split" if inputs.reference is None else _of_real(inputs.reference)),
        "frames": ", ".join(str(whole_clips(clips, window)) for clips in lengths),
        "seeds": f"{seed} to {seed + size.seeds - 1}",
        "read_core": __version__,
    }
    report = Report(experiment.title, facts)
    seen = "\n\n".join(f"{METRICS[m].title}. Seen: {METRICS[m].seen}. {METRICS[m].note}" for m in metrics)
    figures = add_paper_table(report, experiment.title, experiment.label, rows, real, seen)
    if reasons:
        report.add_figures("Left out", "video", ReasonFigures, reasons)
    add_networks(report, tools)
    pictures = experiment.draw(report, out, made, figures, window)
    report.write(out, name)
    sides = {each.way.name: each.videos for each in made}
    sides[REAL] = {take.name: take.video for takes_of in takes for take in takes_of}
    save_page(out / f"{name}.html", report, sides, pictures)
    return report


def _of_real(folder: Path) -> str:
    split = held_out_split(folder)
    return f"of {folder}, split {split}" if split else f"of {folder}"


def _weights(cases: Cases, digests: Mapping[Path, str]) -> str:
    """The digests of the weights of each way; one for all where they are equal."""
    found = {way.name: " and ".join(digests[each] for each in way.checkpoints) for way, _ in cases}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{name} {own or 'unknown'}" for name, own in found.items())


def _takes(inputs: PaperInputs, size: PaperSize, info: CheckpointInfo, out: Path) -> list[list[Take]]:
    """The takes of each length, as files below ``out``."""
    window, card = info.defaults.window, info.card
    frames = whole_clips(max(size.clips), window)
    content: dict[str, Any] = {"window": window, "frames": frames}
    if inputs.reference is not None:
        content["reference"] = str(inputs.reference.resolve())
        if split := held_out_split(inputs.reference):
            content["split"] = split
        recordings = real_recordings(inputs.reference, frames, size.count)
    else:
        speakers = size.speakers or speakers_here()
        layout = None if card.face is None else card.face.to_dict()
        content |= {"resolution": card.resolution, "face": layout, "speakers": speakers, "side": size.side}
        recordings = drawn_recordings(card, size.count, frames, speakers, size.side, inputs.faces)
    folder = out / "takes"
    check_made(folder, content)
    return write_takes(recordings, folder, size.clips, window)


def _check_alike(info: CheckpointInfo, other: CheckpointInfo) -> None:
    """Raise InputError for a checkpoint whose videos would have other clips or another size."""
    found = (other.defaults.window, other.card.resolution, other.card.face)
    expected = (info.defaults.window, info.card.resolution, info.card.face)
    if found != expected:
        raise InputError(
            f"{other.folder} has window, resolution and face {found}; to compare it with {info.folder} it "
            f"must have {expected}"
        )


def _table1(
    inputs: PaperInputs, _: PaperSize, info: CheckpointInfo, takes: Sequence[Sequence[Take]]
) -> Cases:
    ways = [Way(info.card.name, (inputs.checkpoint,))]
    ways += [Way(name, videos=folder) for name, folder in inputs.methods.items()]
    return [(way, takes[0]) for way in ways]


def _table2(inputs: PaperInputs, _: PaperSize, __: CheckpointInfo, takes: Sequence[Sequence[Take]]) -> Cases:
    if len(inputs.variants) < 2:
        raise InputError("table2 compares checkpoints; name two or more with --variants NAME=FOLDER")
    return [(Way(name, tuple(folders)), takes[0]) for name, folders in inputs.variants.items()]


def _fig2(inputs: PaperInputs, _: PaperSize, __: CheckpointInfo, takes: Sequence[Sequence[Take]]) -> Cases:
    own = (inputs.checkpoint, *inputs.again)
    ways = [Way("with ANS", own), Way("its clips joined", own, concatenated=True)]
    if inputs.against:
        name = describe_checkpoint(inputs.against[0]).card.name
        ways.append(Way(f"{name}, its clips joined", tuple(inputs.against), concatenated=True))
    return [(way, takes[0]) for way in ways]


def _table3(
    inputs: PaperInputs, size: PaperSize, info: CheckpointInfo, takes: Sequence[Sequence[Take]]
) -> Cases:
    lengths = (whole_clips(clips, info.defaults.window) for clips in size.clips)
    return [(Way(f"{n} frames", (inputs.checkpoint,)), own) for n, own in zip(lengths, takes, strict=True)]


def _fig3(
    inputs: PaperInputs, size: PaperSize, info: CheckpointInfo, takes: Sequence[Sequence[Take]]
) -> Cases:
    return [
        (
            Way(f"{describe(form)}, {steps} steps", (inputs.checkpoint,), SamplingSettings(steps, form)),
            takes[0],
        )
        for form in compared_with(info.defaults.guidance)
        for steps in size.steps
    ]


def _draw_nothing(*_: object) -> list[Path]:
    return []


def _draw_boundary(
    report: Report, out: Path, made: Sequence[Made], _: Sequence[PaperFigures], window: int
) -> list[Path]:
    """One recording in the paper's form, and the mean maps of all, around the first seam of each."""
    take, frames = made[0].takes[0], whole_clips(2, window)
    last = whole_clips(1, window) - 1  # the first seam of all ways
    examples = [(_label(each), each.videos[take.name], last) for each in made]
    one, mean = out / "fig2.png", out / "fig2-mean.png"
    first = pick_frames(examples[0][1], (0,))[0]
    size = (first.shape[0], first.shape[1])
    white = save_boundary([*examples, (REAL, take.video, last)], frames, one)
    report.metadata[f"white in {one.name} (1/255)"] = f"{white:.1f}, {take.name}, first seed"
    rows = [
        (name, [_maps(path, last, size) for path in paths])
        for name, paths in (
            *((_label(each), list(each.videos.values())) for each in made),
            (REAL, [each.video for each in made[0].takes]),
        )
    ]
    report.metadata[f"white in {mean.name} (1/255)"] = f"{save_heatmaps(rows, mean):.1f}, first seed"
    return [one, mean]


def _label(made: Made) -> str:
    """The name of a way in short lines."""
    return made.way.name.replace(", ", ",\n")


def _maps(video: Path, last: int, size: tuple[int, int]) -> Tensor:
    """Difference maps (5, *size) around the frame ``last``."""
    around = range(last - REACH, last + REACH + 2)
    found = pick_frames(video, around)
    maps = difference_maps(torch.stack([found[i] for i in around]).float() / 255, REACH)
    return F.interpolate(maps[None], size, mode="area")[0]


def _draw_trade_off(
    report: Report, out: Path, made: Sequence[Made], figures: Sequence[PaperFigures], _: int
) -> list[Path]:
    cells = []
    for each, found in zip(made, figures, strict=True):
        settings = each.way.settings
        if settings.guidance is not None and settings.steps is not None:
            cells.append(TradeOff(describe(settings.guidance), settings.steps, found))
    path = out / "fig3.png"
    report.metadata[f"shown in {path.name}"] = ", ".join(plot_trade_off(cells, path)) or "no quality"
    return [path]


_QUICK = PaperSize(count=2, seeds=1)
EXPERIMENTS: Mapping[str, Experiment] = {
    "table1": Experiment(
        "Table 1: overall comparison", "method", PaperSize(), _QUICK, _table1, _draw_nothing
    ),
    "table2": Experiment(
        "Table 2: speech encoders", "configuration", PaperSize(), _QUICK, _table2, _draw_nothing
    ),
    "fig2": Experiment(
        "Figure 2: asynchronous noise",
        "videos",
        PaperSize(clips=(2,)),
        replace(_QUICK, clips=(2,)),
        _fig2,
        _draw_boundary,
    ),
    "table3": Experiment(
        "Table 3: lengths",
        "length",
        PaperSize(count=8, clips=(1, 4, 9)),
        replace(_QUICK, clips=(1, 2)),
        _table3,
        _draw_nothing,
    ),
    "fig3": Experiment(
        "Figure 3: guidance and steps",
        "guidance and steps",
        PaperSize(count=6, steps=(4, 5, 6, 8, 10)),
        replace(_QUICK, steps=(4, 8)),
        _fig3,
        _draw_trade_off,
    ),
}
"""The experiments by name."""
