"""Lip sync: compare the measured mouth track with the true one."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from torch.nn import functional as F

from ...errors import InputError
from ...geometry import FEATURES_PER_FRAME
from ..figures import column, mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_MAX_LAG = 10  # frames
SHUT = 0.10  # share of a speaker's range below which the mouth counts as closed
SILENT_CLASS = 0  # of read_core.corpus.visemes
_STILL = 1e-4  # below this, a track counts as constant: rounding of a frozen picture
_MOUTH_SHUT = 0.02
_TAIL = 0.02  # share of the frames outside a speaker's range, at each end
_NEAR = 1  # frames by which a closure may be early or late

Range = tuple[float, float]


@dataclass(frozen=True)
class ShutCases:
    """Counts of shut mouths where they should be shut; counts of several videos can be added.

    Attributes:
        hits: number of ``closures`` whose lips close within a frame.
        closures: number of p, b and m.
        near: number of ``spoken`` frames within one frame of shut lips.
        spoken: number of frames with speech.
        shut: number of ``silent`` frames with a shut mouth.
        silent: number of silent frames in which the true mouth is shut.
        opening: sum over the silent frames, as a share of the speaker's range.
    """

    hits: int = 0
    closures: int = 0
    near: int = 0
    spoken: int = 0
    shut: int = 0
    silent: int = 0
    opening: float = 0.0

    def __add__(self, other: ShutCases) -> ShutCases:
        return ShutCases(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def closed(self) -> float:
        """Share of p, b and m whose lips close; NaN if there are none."""
        return _share(self.hits, self.closures)

    @property
    def chance(self) -> float:
        """Expected ``closed`` for a mouth that ignores p, b and m; NaN without speech."""
        return _share(self.near, self.spoken)

    @property
    def silence(self) -> float:
        """Share of the frames of silence with a closed mouth; NaN if there are none."""
        return _share(self.shut, self.silent)

    @property
    def quiet(self) -> float:
        """Mean opening in silence as a share of the speaker's range; NaN if there is none."""
        return _share(self.opening, self.silent)


@dataclass(frozen=True)
class SyncScore:
    """Scores of one video compared with its ground truth.

    Attributes:
        opening, width, rounding: Pearson correlation of each track; 0 for a constant track.
        lag: frames by which the video's opening is late (negative: early) at the best fit.
        shuffled: mean correlation of the opening with other recordings' tracks; NaN without one.
        cases: counts of closures and silence.
    """

    opening: float
    width: float
    rounding: float
    lag: int
    shuffled: float
    cases: ShutCases


@dataclass(frozen=True)
class LipFigures:
    """Several videos against their truths: means over videos, and all cases of closures and silence alike.

    Attributes:
        lag: of all videos together.
        videos: how many there are.
        opening, width, rounding: Pearson correlation of each track.
        least: the opening's in the worst video.
        shuffled: correlation of the opening with other recordings' tracks.
        most_shuffled: that of the video with most.
        closures: how many p, b and m there are.
        closed, chance, silence, quiet: see :class:`ShutCases`.
    """

    lag: int = column("best lag")
    videos: int = column("count")
    opening: float = column("open r")
    least: float = column("least")
    width: float = column("width r")
    rounding: float = column("round r")
    shuffled: float = column("shuffled r")
    most_shuffled: float = column("shuffled, most")
    closures: int = column("p b m")
    closed: float = column("p b m shut")
    chance: float = column("by chance")
    silence: float = column("silence shut")
    quiet: float = column("opening in silence")


def lip_figures(scores: Sequence[SyncScore], lag: int) -> LipFigures:
    """The figures of several videos; ``lag``: of all of them together, see :func:`common_lag`."""
    openings = [score.opening for score in scores]
    shuffled = [score.shuffled for score in scores]
    cases = sum((score.cases for score in scores), ShutCases())
    return LipFigures(
        lag=lag,
        videos=len(scores),
        opening=mean(openings),
        least=min(openings),
        width=mean(score.width for score in scores),
        rounding=mean(score.rounding for score in scores),
        shuffled=mean(shuffled),
        most_shuffled=max(shuffled),
        closures=cases.closures,
        closed=cases.closed,
        chance=cases.chance,
        silence=cases.silence,
        quiet=cases.quiet,
    )


def score_sync(
    measured: Tensor, true: Tensor, cases: ShutCases | None = None, others: Sequence[Tensor] = ()
) -> SyncScore:
    """Compare mouth tracks.

    Args:
        measured: (F, 3) open, width, round of the generated video.
        true: (F, 3).
        cases: see :func:`count_shut`; None: none are counted.
        others: (F', 3) each, the true tracks of other recordings; cut or repeated to F frames.

    Raises:
        InputError: the lengths or shapes do not fit.
    """
    if measured.shape != true.shape or measured.ndim != 2 or measured.shape[1] != 3:
        raise InputError(
            f"mouth tracks have shapes {tuple(measured.shape)} and {tuple(true.shape)}; expected (F, 3) twice"
        )
    opening, width, rounding = (correlation(measured[:, i], true[:, i]) for i in range(3))
    strangers = [other[:, 0].repeat(-(-len(true) // len(other)))[: len(true)] for other in others]
    return SyncScore(
        opening=opening,
        width=width,
        rounding=rounding,
        lag=best_lag(measured[:, 0], true[:, 0])[0],
        shuffled=_share(sum(correlation(measured[:, 0], track) for track in strangers), len(strangers)),
        cases=cases or ShutCases(),
    )


def count_shut(opening: Tensor, true: Tensor, phonemes: Tensor, closures: Tensor) -> ShutCases:
    """Count shut mouths: an opening of less than a tenth of the speaker's range.

    Args:
        opening: (F,), relative to the speaker's range, see :func:`relative_opening`.
        true: (F,), the true opening.
        phonemes: (2 F,) viseme class per 20 ms.
        closures: (K,) int64, the frames that hold the middle of each p, b or m.
    """
    near = _closes_near(opening)
    silent = (phonemes.view(-1, FEATURES_PER_FRAME) == SILENT_CLASS).all(dim=1) & (true < _MOUTH_SHUT)
    spoken = (phonemes.view(-1, FEATURES_PER_FRAME) != SILENT_CLASS).all(dim=1)
    return ShutCases(
        hits=int(near[closures].sum()),
        closures=len(closures),
        near=int(near[spoken].sum()),
        spoken=int(spoken.sum()),
        shut=int((opening[silent] < SHUT).sum()),
        silent=int(silent.sum()),
        opening=float(opening[silent].clamp(min=0).sum()),
    )


def opening_range(opening: Tensor) -> Range:
    """Range of a speaker's opening: the 2nd and 98th percentile of its track (F,).

    It is taken from the reading of the drawn video. So the reader's error for a face, for example with a
    mustache, does not count against a shut mouth.
    """
    return float(opening.quantile(_TAIL)), float(opening.quantile(1 - _TAIL))


def relative_opening(opening: Tensor, own: Range) -> Tensor:
    """``opening`` (F,) as a share of the range ``own``: 0 shut, 1 wide open; values may be outside."""
    return (opening - own[0]) / max(own[1] - own[0], _STILL)


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson correlation of two tracks (F,); 0 if one of them is constant or has a NaN."""
    a, b = first.double() - first.double().mean(), second.double() - second.double().mean()
    spread = a.square().mean().sqrt(), b.square().mean().sqrt()
    if not (spread[0] > _STILL and spread[1] > _STILL):
        return 0.0
    return float((a * b).mean() / (spread[0] * spread[1]))


def best_lag(measured: Tensor, true: Tensor) -> tuple[int, float]:
    """(lag, correlation) where measured[t + lag] fits true[t] best, within ten frames; (F,) each.

    In a tie the smaller lag wins, so a constant track has lag 0 and correlation 0.
    """
    return common_lag([(measured, true)])


def common_lag(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[int, float]:
    """As :func:`best_lag`, of the mean over videos: pairs of measured and true tracks, (F,) each."""
    reach = min(_MAX_LAG, *(len(true) - 2 for _, true in pairs))
    found = (0, -2.0)
    for lag in sorted(range(-reach, reach + 1), key=abs):
        fit = sum(_at_lag(measured, true, lag) for measured, true in pairs) / len(pairs)
        if fit > found[1] + 1e-9:
            found = (lag, fit)
    return found


def _at_lag(measured: Tensor, true: Tensor, lag: int) -> float:
    late, early = max(lag, 0), max(-lag, 0)
    return correlation(measured[late : len(measured) - early], true[early : len(true) - late])


def _closes_near(opening: Tensor) -> Tensor:
    """Whether the lips close within a frame of each frame: (F,) -> (F,) bool."""
    lowest = -F.max_pool1d(-opening[None, None], 2 * _NEAR + 1, stride=1, padding=_NEAR)[0, 0]
    return lowest < SHUT


def _share(part: float, whole: int) -> float:
    return part / whole if whole else float("nan")
