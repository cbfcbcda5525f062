"""Published metrics of any talking-head videos, compared with real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from tqdm import tqdm

from ...errors import InputError, OnWarning, ReadError, warn
from ...face.finder import Faces, find_faces, load_finder
from ...version import __version__
from ..figures import column, mean_figures
from ..material.video_files import find_videos, read_frames, read_groups, read_sound
from ..metrics import efid, fid, fvd, lip_sync
from ..metrics.frechet import Moments
from ..networks import i3d, inception, recon
from ..networks.files import FILES, FoundFile, find_file, load_network
from ..networks.i3d import I3D
from ..networks.inception import FidInception
from ..networks.recon import FaceReconstruction
from ..networks.syncnet import SyncNet
from ..pictures.page import save_page
from ..tables.report import Report, make_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

    T = TypeVar("T", bound=nn.Module)

GENERATED, REAL = "generated", "real"

_BATCH = 16  # frames or so that a network is shown at a time


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


@dataclass
class Comparison:
    """Generated and real videos on their way to a report.

    Attributes:
        videos: by "generated" and "real", then by name.
        weights: folder of the networks' files.
        device: of the networks.
        report: for the tables.
        on_warning: is told what is not as it should be.
        files: what was loaded so far, by metric.
        left_out: video and reason.
    """

    videos: Mapping[str, Mapping[str, Path]]
    weights: Path
    device: torch.device
    report: Report
    on_warning: OnWarning = warn
    files: dict[str, FoundFile] = field(default_factory=dict)
    left_out: list[tuple[str, ReasonFigures]] = field(default_factory=list)

    def load(self, metric: str, make: Callable[[], T]) -> T:
        """The network of a metric, on the device.

        Raises:
            CheckpointError: see :func:`load_network`.
        """
        network, self.files[metric] = load_network(self.weights, metric, make, self.on_warning)
        return network.to(self.device)

    def each(self, metric: str, side: str) -> Iterator[tuple[str, Path]]:
        """Names and paths of the videos of a side, with a bar."""
        yield from tqdm(self.videos[side].items(), f"{metric}, {side}", unit="video", leave=False)

    def leave_out(self, metric: str, side: str, name: str, reason: str) -> None:
        """Note that a video does not count."""
        self.on_warning(f"{metric}: {side} {name} is left out: {reason}")
        self.left_out.append((f"{side} {name}", ReasonFigures(metric, reason)))


def _measure_fid(work: Comparison) -> None:
    network = work.load("fid", FidInception)

    def features(path: Path) -> Iterator[Tensor]:
        for frames in read_groups(path, _BATCH):
            yield fid.fid_features(network, frames.to(work.device))

    moments = _moments(work, "fid", inception.FEATURES, features, "has no frames")
    figures = fid.score_fid(moments[GENERATED], moments[REAL])
    _add(work, "FID", fid.FidFigures, [("all videos", figures)], fid.SEEN, fid.NOTE)


def _measure_fvd(work: Comparison) -> None:
    network = work.load("fvd", I3D)

    def features(path: Path) -> Iterator[Tensor]:
        for clip in read_groups(path, fvd.FRAMES, whole=True):
            yield fvd.fvd_features(network, clip[None].to(work.device))

    moments = _moments(work, "fvd", i3d.FEATURES, features, f"has fewer than {fvd.FRAMES} frames")
    figures = fvd.score_fvd(moments[GENERATED], moments[REAL])
    _add(work, "FVD", fvd.FvdFigures, [("all videos", figures)], fvd.SEEN, fvd.NOTE)


def _measure_sync(work: Comparison) -> None:
    network = work.load("sync", SyncNet)
    find = _finder(work.device)
    means: list[tuple[str, lip_sync.SyncFigures]] = []
    single: list[tuple[str, lip_sync.SyncFigures]] = []
    for side in (GENERATED, REAL):
        scores = []
        for name, path in work.each("sync", side):
            try:
                sound = read_sound(path)
                boxes = lip_sync.follow_face(read_frames(path), find)
                if boxes is None:
                    raise InputError(f"{path} shows no face; expected a face in at least one frame")
                crops = lip_sync.crop_faces(read_frames(path), boxes)
                scores.append(lip_sync.score_lip_sync(network, crops, sound))
            except ReadError as error:
                work.leave_out("sync", side, name, str(error))
            else:
                single.append((f"{side} {name}", scores[-1]))
        if scores:
            means.append((f"{side}, mean of {len(scores)}", mean_figures(scores)))
    _add(work, "Sync", lip_sync.SyncFigures, means + single, lip_sync.SEEN, lip_sync.NOTE)


def _measure_efid(work: Comparison) -> None:
    network = work.load("efid", FaceReconstruction)
    find = _finder(work.device)

    def features(path: Path) -> Iterator[Tensor]:
        for face in efid.aligned_faces(read_frames(path), find):
            yield efid.efid_features(network, face[None].to(work.device))

    moments = _moments(work, "efid", recon.FEATURES, features, "shows no face")
    figures = efid.score_efid(moments[GENERATED], moments[REAL])
    _add(work, "E-FID", efid.EfidFigures, [("all videos", figures)], efid.SEEN, efid.NOTE)


METRICS: Mapping[str, Callable[[Comparison], None]] = {
    "fid": _measure_fid,
    "fvd": _measure_fvd,
    "sync": _measure_sync,
    "efid": _measure_efid,
}
"""What measures a metric and adds its table."""


def run_videos(
    generated: Path,
    real: Path,
    metrics: Sequence[str],
    weights: Path,
    out: Path,
    device: torch.device,
    on_warning: OnWarning = warn,
) -> Report:
    """Measure generated videos and write ``videos.txt``, ``.md``, ``.csv``, ``.json`` and ``.html``.

    Args:
        generated: folder of the generated videos.
        real: folder of real ones; on the page, those of the same name stand side by side.
        metrics: names in ``METRICS``.
        weights: folder of the networks' files, see ``networks/files.py``.
        out: folder of the results.
        device: of the networks.
        on_warning: is told what is not as it should be.

    Raises:
        InputError: a metric is unknown, or there are too few frames.
        MediaError: a folder holds no videos, or a video cannot be read.
        CheckpointError: a file of weights is missing or is not the network.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise InputError(f"metrics are {', '.join(metrics) or 'none'}; expected some of {', '.join(METRICS)}")
    videos = {GENERATED: find_videos(generated), REAL: find_videos(real)}
    for name in metrics:
        find_file(weights, name)  # told now, not after the metrics before it
    make_folder(out)
    facts: dict[str, Any] = {
        "generated": f"{len(videos[GENERATED])} videos in {generated}",
        "real": f"{len(videos[REAL])} videos in {real}",
        "of the same name": len(videos[GENERATED].keys() & videos[REAL].keys()),
        "read_core": __version__,
    }
    work = Comparison(videos, weights, device, Report("Videos by published metrics", facts), on_warning)
    for name in dict.fromkeys(metrics):
        METRICS[name](work)
    if work.left_out:
        work.report.add_figures("Left out", "video", ReasonFigures, work.left_out)
    rows = [(name, _network_figures(name, found)) for name, found in work.files.items()]
    work.report.add_figures("Feature networks", "metric", NetworkFigures, rows)
    work.report.write(out, "videos")
    save_page(out / "videos.html", work.report, videos[GENERATED], videos[REAL])
    return work.report


def _finder(device: torch.device) -> Callable[[Tensor], Faces]:
    """Finds the faces of a picture (H, W, 3), 0..1, on a device."""
    finder = load_finder().to(device)
    return lambda picture: find_faces(picture, device, finder=finder)


def _moments(
    work: Comparison,
    metric: str,
    size: int,
    features: Callable[[Path], Iterator[Tensor]],
    without: str,
) -> dict[str, Moments]:
    """Moments of the features of all videos of each side; ``without`` says why a video may have none."""
    found = {}
    for side in (GENERATED, REAL):
        moments = Moments.empty(size)
        for name, path in work.each(metric, side):
            before = moments.count
            for vectors in features(path):
                moments = moments.with_batch(vectors)
            if moments.count == before:
                work.leave_out(metric, side, name, f"{path} {without}")
        found[side] = moments
    return found


def _add(
    work: Comparison, title: str, kind: type[Any], rows: Sequence[tuple[str, Any]], seen: str, note: str
) -> None:
    work.report.add_figures(title, "videos", kind, rows, f"Seen: {seen}. {note}")


def _network_figures(metric: str, found: FoundFile) -> NetworkFigures:
    known = {True: "yes", False: "no", None: "no checksum is known"}[found.known]
    about = FILES[metric]
    return NetworkFigures(
        about.network, found.path.name, found.sha256[:12], known, about.license, about.origin
    )
