"""Metrics of generated videos against real ones: how each is measured, and its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, ReadError
from ..generate.runtime import read_runtime, runtime_path
from .comparison import GENERATED, REAL, Comparison, Measured
from .figures import mean_figures
from .material.video_files import clip_window, read_frames, read_groups, read_sound, video_seconds
from .metrics import color_drift, efid, fid, fvd, joins, likeness, lip_sync, mouth_track, runtime
from .metrics.frechet import Moments
from .networks import i3d, inception, recon
from .networks.i3d import I3D
from .networks.inception import FidInception
from .networks.recon import FaceReconstruction
from .networks.syncnet import SyncNet

if TYPE_CHECKING:
    from torch import Tensor

    from .tables.report import Report

_BATCH = 16  # frames or so that a network is shown at a time


@dataclass(frozen=True)
class Metric:
    """A metric of generated videos against real ones.

    Attributes:
        title: of its table.
        kind: class of its figures.
        measure: finds them.
        seen: which frames and which crop it looks at.
        note: what its figures mean.
    """

    title: str
    kind: type[Any]
    measure: Callable[[Comparison], Measured[Any]]
    seen: str
    note: str


def measure_runtime(work: Comparison) -> Measured[runtime.RuntimeFigures]:
    """Seconds of each generated video; one without a file of them is left out."""
    found = {}
    for name, path in work.each("runtime", GENERATED):
        try:
            taken = read_runtime(path)
            if taken is None:
                raise InputError(
                    f"there is no {runtime_path(path)}; generate it with --runtime, or write that file"
                )
            found[name] = runtime.runtime_figures(taken, video_seconds(path))
        except ReadError as error:
            work.leave_out("runtime", GENERATED, name, str(error))
    return Measured(generated=found)


def measure_fid(work: Comparison) -> Measured[fid.FidFigures]:
    """FID of all frames."""
    network = work.tools.load("fid", FidInception)

    def features(path: Path) -> Iterator[Tensor]:
        for frames in read_groups(path, _BATCH):
            yield fid.fid_features(network, frames.to(work.tools.device))

    moments = _moments(work, "fid", inception.FEATURES, features, "has no frames")
    return _distance(work, "fid", lambda: fid.score_fid(*moments))


def measure_fvd(work: Comparison) -> Measured[fvd.FvdFigures]:
    """FVD of all clips."""
    network = work.tools.load("fvd", I3D)

    def features(path: Path) -> Iterator[Tensor]:
        for clip in read_groups(path, fvd.FRAMES, whole=True):
            yield fvd.fvd_features(network, clip[None].to(work.tools.device))

    moments = _moments(work, "fvd", i3d.FEATURES, features, f"has fewer than {fvd.FRAMES} frames")
    return _distance(work, "fvd", lambda: fvd.score_fvd(*moments))


def measure_efid(work: Comparison) -> Measured[efid.EfidFigures]:
    """E-FID of all faces."""
    network = work.tools.load("efid", FaceReconstruction)

    def features(path: Path) -> Iterator[Tensor]:
        for face in efid.aligned_faces(read_frames(path), work.tools.find):
            yield efid.efid_features(network, face[None].to(work.tools.device))

    moments = _moments(work, "efid", recon.FEATURES, features, "shows no face")
    return _distance(work, "efid", lambda: efid.score_efid(*moments))


def measure_sync(work: Comparison) -> Measured[lip_sync.SyncFigures]:
    """Sync-C and Sync-D of each video, real ones too."""
    network = work.tools.load("sync", SyncNet)

    def score(path: Path) -> lip_sync.SyncFigures:
        sound = read_sound(path)
        boxes = lip_sync.follow_face(read_frames(path), work.tools.find)
        if boxes is None:
            raise InputError(f"{path} shows no face; expected a face in at least one frame")
        return lip_sync.score_lip_sync(network, lip_sync.crop_faces(read_frames(path), boxes), sound)

    return Measured(
        generated=_scores(work, "sync", GENERATED, lambda _, path: score(path)),
        real=_scores(work, "sync", REAL, lambda _, path: work.tools.once("sync", path, lambda: score(path))),
    )


def measure_mouth(work: Comparison) -> Measured[mouth_track.MouthFigures]:
    """How the mouth of each generated video follows that of its real one."""
    face = work.tools.face
    return Measured(
        generated=_pair_scores(
            work,
            "mouth",
            lambda path, real: mouth_track.score_mouth(face(path).tracks.mouth, face(real).tracks.mouth),
        )
    )


def measure_identity(work: Comparison) -> Measured[likeness.LikenessFigures]:
    """How much each generated face looks like its real one, among the real ones of others."""
    faces = {}
    people = {path: work.person(name) for name, path in work.real.items()}
    for name, path in work.each("identity", REAL):
        try:
            faces[path] = work.tools.face(path).picture
        except ReadError as error:
            work.leave_out("identity", REAL, name, str(error))

    def score(path: Path, real: Path) -> likeness.LikenessFigures:
        if real not in faces:
            raise InputError(f"its real video {real} shows no face")
        others = [face for other, face in faces.items() if people[other] != people[real]]
        return likeness.score_likeness(work.tools.face(path).picture, faces[real], others)

    return Measured(generated=_pair_scores(work, "identity", score))


def measure_color(work: Comparison) -> Measured[color_drift.ColorFigures]:
    """Change of the colors of each generated video, and of the real ones that have a partner."""
    colors = work.tools.colors
    generated = _pair_scores(
        work, "color", lambda path, real: color_drift.score_colors(colors(path), colors(real))
    )
    real = {
        name: color_drift.score_colors(colors(work.real[name]), colors(work.real[name])) for name in generated
    }
    return Measured(generated=generated, real=real)


def measure_seams(work: Comparison) -> Measured[joins.JoinFigures]:
    """Jumps where the clips of each generated video meet, and at the same places of its real one."""
    places: dict[str, joins.Joins] = {}

    def score(name: str, path: Path) -> joins.JoinFigures:
        places[name] = joins_of(work.joins, path)
        return joins.score_joins(work.tools.jumps(path), places[name])

    generated = _scores(work, "seams", GENERATED, score)
    real = {}
    for name in generated:
        if name not in work.real:
            continue
        try:
            real[name] = joins.score_joins(work.tools.jumps(work.real[name]), places[name])
        except ReadError as error:
            work.leave_out("seams", REAL, name, str(error))
    return Measured(generated=generated, real=real)


METRICS: Mapping[str, Metric] = {
    "fid": Metric("FID", fid.FidFigures, measure_fid, fid.SEEN, fid.NOTE),
    "fvd": Metric("FVD", fvd.FvdFigures, measure_fvd, fvd.SEEN, fvd.NOTE),
    "sync": Metric("Sync", lip_sync.SyncFigures, measure_sync, lip_sync.SEEN, lip_sync.NOTE),
    "efid": Metric("E-FID", efid.EfidFigures, measure_efid, efid.SEEN, efid.NOTE),
    "runtime": Metric("Runtime", runtime.RuntimeFigures, measure_runtime, runtime.SEEN, runtime.NOTE),
    "mouth": Metric("Mouth", mouth_track.MouthFigures, measure_mouth, mouth_track.SEEN, mouth_track.NOTE),
    "identity": Metric("Identity", likeness.LikenessFigures, measure_identity, likeness.SEEN, likeness.NOTE),
    "color": Metric("Color", color_drift.ColorFigures, measure_color, color_drift.SEEN, color_drift.NOTE),
    "seams": Metric("Seams", joins.JoinFigures, measure_seams, joins.SEEN, joins.NOTE),
}
"""The metrics by name; ``networks.files.FILES`` says which of them need a network."""


def add_measured(report: Report, metric: Metric, found: Measured[Any]) -> None:
    """Add the table of a metric: all videos together, or means over videos and then each video."""
    rows = [] if found.whole is None else [("all videos", found.whole)]
    sides = ((GENERATED, found.generated), (REAL, found.real))
    for side, figures in sides:
        if figures:
            rows.append((f"{side}, mean of {len(figures)}", mean_figures(list(figures.values()))))
    rows += [(f"{side} {name}", one) for side, figures in sides for name, one in figures.items()]
    report.add_figures(metric.title, "videos", metric.kind, rows, f"Seen: {metric.seen}. {metric.note}")


def joins_of(joins_given: joins.Joins | None, path: Path) -> joins.Joins:
    """Where the clips of a video meet.

    Raises:
        InputError: nobody says.
    """
    if joins_given is not None:
        return joins_given
    window = clip_window(path)
    if window is None:
        raise InputError(
            f"{path} does not tell the length of its clips; say it with --clip-frames, for example 121,112"
        )
    return joins.Joins.of_window(window)


def _scores(work: Comparison, metric: str, side: str, score: Callable[[str, Path], Any]) -> dict[str, Any]:
    found = {}
    for name, path in work.each(metric, side):
        try:
            found[name] = score(name, path)
        except ReadError as error:
            work.leave_out(metric, side, name, str(error))
    return found


def _pair_scores(work: Comparison, metric: str, score: Callable[[Path, Path], Any]) -> dict[str, Any]:
    found = {}
    for name, path, real in work.pairs(metric):
        try:
            found[name] = score(path, real)
        except ReadError as error:
            work.leave_out(metric, GENERATED, name, str(error))
    return found


def _distance(work: Comparison, metric: str, score: Callable[[], Any]) -> Measured[Any]:
    """The distance of both sets; none if one is too small, so that the other metrics still count."""
    try:
        return Measured(score())
    except InputError as error:
        work.leave_out(metric, GENERATED, "set", f"it has no distance from the real one: {error}")
        return Measured()


def _moments(
    work: Comparison, metric: str, size: int, features: Callable[[Path], Iterator[Tensor]], without: str
) -> tuple[Moments, Moments]:
    """Moments of all generated and of all real videos; ``without`` says why a video may have no features."""

    def gather(side: str) -> Moments:
        moments = Moments.empty(size)
        for name, path in work.each(metric, side):
            found = moments
            try:
                for vectors in features(path):
                    found = found.with_batch(vectors)
                if found.count == moments.count:
                    raise InputError(f"{path} {without}")
            except ReadError as error:
                work.leave_out(metric, side, name, str(error))
            else:
                moments = found  # only of a video that was read to its end
        return moments

    real = work.tools.once(f"moments of {metric}", tuple(work.real.values()), lambda: gather(REAL))
    return gather(GENERATED), real
