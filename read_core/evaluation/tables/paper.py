"""The table that the paper's experiments share: a row for each way to make the videos, and differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ..comparison import Measured
from ..figures import Value, column, mean
from ..metrics.intervals import Estimate, difference_of_means

if TYPE_CHECKING:
    from .report import Report

Measurements = Mapping[str, Measured[Any]]
"""What each metric found of one folder of videos."""


@dataclass(frozen=True)
class PaperFigures:
    """Figures of one way to make the videos, or differences of two ways; NaN where nothing was measured.

    Attributes:
        network, total: seconds of a video.
        fid, fvd, efid: distances of the sets.
        confidence, distance: Sync-C, Sync-D.
        opening, shape: correlation of the mouth's opening, and of its width and rounding in the mean.
        span: range of the opening by the real one's.
        own, recognized: distance of the mean face from its own, and share that is nearest to it.
        drift, apart: of the colors in the middle, over time and from the real video.
        seams: jump where clips meet by that elsewhere.
    """

    network: Value = column("network (s)")
    total: Value = column("total (s)")
    fid: Value = column("FID")
    fvd: Value = column("FVD")
    confidence: Value = column("Sync-C")
    distance: Value = column("Sync-D")
    efid: Value = column("E-FID")
    opening: Value = column("open r")
    shape: Value = column("width, round r")
    span: Value = column("range")
    own: Value = column("own distance")
    recognized: Value = column("nearest is its own")
    drift: Value = column("color drift")
    apart: Value = column("color from real")
    seams: Value = column("clips / elsewhere")


@dataclass(frozen=True)
class _Source:
    metric: str
    value: Callable[[Any], float]


_SOURCES = {
    "network": _Source("runtime", lambda found: found.backbone),
    "total": _Source("runtime", lambda found: found.total),
    "fid": _Source("fid", lambda found: found.fid),
    "fvd": _Source("fvd", lambda found: found.fvd),
    "confidence": _Source("sync", lambda found: found.confidence),
    "distance": _Source("sync", lambda found: found.distance),
    "efid": _Source("efid", lambda found: found.efid),
    "opening": _Source("mouth", lambda found: found.opening),
    "shape": _Source("mouth", lambda found: (found.width + found.rounding) / 2),
    "span": _Source("mouth", lambda found: found.span),
    "own": _Source("identity", lambda found: found.own),
    "recognized": _Source("identity", lambda found: found.recognized),
    "drift": _Source("color", lambda found: found.drift),
    "apart": _Source("color", lambda found: found.apart),
    "seams": _Source("seams", lambda found: found.ratio),
}
"""Where each field of :class:`PaperFigures` comes from."""

NOTE = (
    "Means; in brackets the 95 % interval. Figures of single videos are means over sampling seeds, trainings "
    "and the takes of a recording, and their intervals are over recordings. FID, FVD and E-FID are of all "
    "videos of a seed together, and their intervals over seeds. Trainings are too few for an interval; each "
    "stands in a row where there are several."
)
DIFFERENCES_NOTE = (
    "Differences from the first row, of the same recordings and seeds; where the interval holds 0 they "
    "cannot be distinguished. Without interval: a single recording or seed, or videos of another method, "
    "made once."
)


@dataclass(frozen=True)
class Row:
    """One way to make the videos.

    Attributes:
        name: of the row.
        runs: what was measured, for each training and in it for each seed.
        recordings: the recording of each video, by its name.
    """

    name: str
    runs: Sequence[Sequence[Measurements]]
    recordings: Mapping[str, str]

    def cases(self, field: str) -> dict[Any, float]:
        """The values of a field of :class:`PaperFigures` by recording, or by seed for figures of sets."""
        source = _SOURCES[field]
        gathered: dict[Any, list[float]] = {}
        for seeds in self.runs:
            for seed, measurements in enumerate(seeds):
                found = measurements.get(source.metric)
                if found is None:
                    continue
                if found.whole is not None:
                    gathered.setdefault(seed, []).append(source.value(found.whole))
                for name, figures in found.generated.items():
                    gathered.setdefault(self.recordings[name], []).append(source.value(figures))
        return {case: mean(values) for case, values in gathered.items()}

    def figures(self) -> PaperFigures:
        """The figures of the row with their intervals."""
        return PaperFigures(*(_estimate(self.cases(each.name)) for each in fields(PaperFigures)))

    def less(self, other: Row) -> PaperFigures:
        """Differences from another row, of the same recordings and seeds."""
        names = [each.name for each in fields(PaperFigures)]
        return PaperFigures(*(_difference(self.cases(name), other.cases(name)) for name in names))

    def trainings(self) -> list[tuple[str, PaperFigures]]:
        """Name and figures of each training, if there are several."""
        if len(self.runs) < 2:
            return []
        return [
            (f"{self.name}, training {number}", Row(self.name, [seeds], self.recordings).figures())
            for number, seeds in enumerate(self.runs, start=1)
        ]


def add_paper_table(
    report: Report, title: str, label: str, rows: Sequence[Row], real: Measurements, seen: str
) -> list[PaperFigures]:
    """Add the table of all rows and, with several, that of their differences from the first one.

    Args:
        report: gets the tables.
        title: of the first table.
        label: what the rows are.
        rows: in order.
        real: what was measured of the real videos themselves, in ``Measured.real``.
        seen: which frames and crops the metrics saw.

    Returns:
        The figures of the rows.
    """
    figures = [row.figures() for row in rows]
    named = list(zip((row.name for row in rows), figures, strict=True))
    named += [training for row in rows for training in row.trainings()]
    named.append(("the real videos", _real_figures(real)))
    report.add_figures(title, label, PaperFigures, named, f"{NOTE}\n\n{seen}", whole=False)
    differences = [(f"{row.name}, less {rows[0].name}", row.less(rows[0])) for row in rows[1:]]
    if differences:
        report.add_figures(
            f"{title}: differences", label, PaperFigures, differences, DIFFERENCES_NOTE, whole=False
        )
    return figures


def _real_figures(real: Measurements) -> PaperFigures:
    values = []
    for each in fields(PaperFigures):
        source = _SOURCES[each.name]
        found = real.get(source.metric)
        values.append(mean(map(source.value, found.real.values())) if found is not None else float("nan"))
    return PaperFigures(*values)


def _estimate(cases: Mapping[Any, float]) -> Estimate:
    values = list(cases.values())
    return difference_of_means(values, [0.0] * len(values))


def _difference(cases: Mapping[Any, float], base: Mapping[Any, float]) -> Estimate:
    if len(base) != len(cases) and 1 in (len(base), len(cases)):
        return Estimate(mean(cases.values()) - mean(base.values()))
    common = [case for case in cases if case in base]
    return difference_of_means([cases[case] for case in common], [base[case] for case in common])
