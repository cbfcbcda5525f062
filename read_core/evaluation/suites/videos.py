"""Compare any talking-head videos with real ones, by published metrics and our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError, ReadError
from ...version import __version__
from ..comparison import GENERATED, REAL, Comparison, Tools, weights_folder
from ..figures import column
from ..material.video_files import find_real, find_videos, held_out_split
from ..measures import METRICS, add_measured, joins_of
from ..networks.files import FILES, FoundFile, find_file
from ..pictures.boundary import save_boundary
from ..pictures.page import save_page
from ..tables.report import Report, make_folder

if TYPE_CHECKING:
    from ..metrics.joins import Joins


@dataclass(frozen=True)
class NetworkFigures:
    """A file of weights that a metric used.

    Attributes:
        network: what it holds.
        file: its name.
        sha256: the start of its checksum.
        published: whether that is the published one.
        license: of the weights.
        origin: where it comes from.
    """

    network: str = column("network")
    file: str = column("file")
    sha256: str = column("sha256")
    published: str = column("as published")
    license: str = column("license")
    origin: str = column("origin")


@dataclass(frozen=True)
class ReasonFigures:
    """Why a video was left out.

    Attributes:
        metric: of which metric.
        reason: in words.
    """

    metric: str = column("metric")
    reason: str = column("reason")


def run_videos(
    generated: Path,
    real: Path,
    metrics: Sequence[str],
    tools: Tools,
    out: Path,
    joins: Joins | None = None,
) -> Report:
    """Measure generated videos and write ``videos.txt``, ``.md``, ``.csv``, ``.json`` and ``.html``.

    With the metric ``seams``, ``seams.png`` shows the first seam of one pair.

    Args:
        generated: folder of the generated videos.
        real: folder of real ones; on the page, those of the same name stand side by side. Of footage that
            ``read-core prepare`` has made, only people held out are taken.
        metrics: names in ``METRICS``.
        tools: feature networks, device and warnings.
        out: folder of the results.
        joins: where clips meet in generated videos; None: as the tags of READ's videos say.

    Raises:
        InputError: a metric is unknown or needs a folder of weights, or a generated
            video has the name of footage for training.
        MediaError: a folder holds no videos, or a result cannot be written.
        CheckpointError: a file of weights is missing or is not the network.
    """
    check_metrics(metrics, tools)
    made = find_videos(generated)
    work = Comparison(made, find_real(real, made), tools, joins)
    of_split = f", split {split}" if (split := held_out_split(real)) else ""
    make_folder(out)
    facts: dict[str, Any] = {
        "generated": f"{len(work.generated)} videos in {generated}",
        "real": f"{len(work.real)} videos in {real}{of_split}",
        "of the same name": len(work.generated.keys() & work.real.keys()),
        "read_core": __version__,
    }
    report = Report("Videos against real ones", facts)
    for name in dict.fromkeys(metrics):
        add_measured(report, METRICS[name], METRICS[name].measure(work))
    add_left_out(report, work)
    add_networks(report, tools)
    pictures = _draw_seam(report, work, out / "seams.png") if "seams" in metrics else []
    report.write(out, "videos")
    save_page(out / "videos.html", report, {GENERATED: work.generated, REAL: work.real}, pictures)
    return report


def check_metrics(metrics: Sequence[str], tools: Tools) -> None:
    """Refuse unknown metrics, and those whose networks are not there.

    Raises:
        InputError: a metric is unknown, or needs a folder of weights.
        CheckpointError: a file of weights is missing.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise InputError(f"metrics are {', '.join(metrics) or 'none'}; expected some of {', '.join(METRICS)}")
    for name in metrics:
        if name in FILES:
            find_file(weights_folder(tools.weights, name), name)


def add_left_out(report: Report, work: Comparison) -> None:
    """Add which videos did not count, and why, if there are any."""
    rows = [(f"{one.side} {one.name}", ReasonFigures(one.metric, one.reason)) for one in work.left_out]
    if rows:
        report.add_figures("Left out", "video", ReasonFigures, rows)


def add_networks(report: Report, tools: Tools) -> None:
    """Add which files of weights were used, if any were."""
    rows = [(name, _network_figures(name, found)) for name, found in tools.files.items()]
    if rows:
        report.add_figures("Feature networks", "metric", NetworkFigures, rows)


def _draw_seam(report: Report, work: Comparison, path: Path) -> list[Path]:
    """Draw the first seam of the first pair that has one; the pictures that were drawn."""
    for name, video in work.generated.items():
        if name not in work.real:
            continue
        real = work.real[name]
        try:
            joins = joins_of(work.joins, video)
            frames = 1 + min(len(work.tools.jumps(each)) for each in (video, real))
        except ReadError:  # the table of what is left out says why
            continue
        if lasts := joins.lasts(frames):
            sides = [(GENERATED, video, lasts[0]), (REAL, real, lasts[0])]
            report.metadata[f"white in {path.name} (1/255)"] = (
                f"{save_boundary(sides, frames, path):.1f}, {name}"
            )
            return [path]
    return []


def _network_figures(metric: str, found: FoundFile) -> NetworkFigures:
    known = {True: "yes", False: "no", None: "no checksum is known"}[found.known]
    about = FILES[metric]
    return NetworkFigures(
        about.network, found.path.name, found.sha256[:12], known, about.license, about.origin
    )
