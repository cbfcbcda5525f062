"""Whether the lips follow the sound: the measured mouth track against the true one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ..errors import InputError
from ..geometry import FEATURES_PER_FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MAX_LAG = 10
SHUT = 0.10  # of a speaker's own range: an opening below this counts as closed
SILENT_CLASS, CLOSED_CLASS = 0, 1  # of read_core.corpus.visemes
_STILL = 1e-4  # a track that moves less does not move: what rounding leaves of a frozen picture
_MOUTH_SHUT = 0.02
_TAIL = 0.02  # of the frames at either end of a speaker's range
_NEAR = 1  # frames by which a closure may be early or late

Range = tuple[float, float]


@dataclass(frozen=True)
class SyncScore:
    """One video against its truth.

    Attributes:
        opening, width, rounding: Pearson correlation of each track, 0 for one that does not move.
        lag: frames by which the video's opening comes late (negative: early) where it fits best.
        at_best_lag: the opening's correlation there.
        shuffled: the opening's correlation with another recording's track; NaN without one.
        closures: share of p, b and m whose lips close within a frame; NaN if there are none.
        chance: share of the frames of speech within a frame of which the lips close, whatever is said: what
            ``closures`` would be for a mouth that knows nothing of p, b and m; NaN without speech.
        silence: share of the frames of silence with a closed mouth; NaN if there are none.
        quiet: mean opening in silence as a share of the speaker's range; NaN if there is none.
    """

    opening: float
    width: float
    rounding: float
    lag: int
    at_best_lag: float
    shuffled: float
    closures: float
    chance: float
    silence: float
    quiet: float


def score_sync(
    measured: Tensor,
    true: Tensor,
    phonemes: Tensor | None = None,
    other: Tensor | None = None,
    own: Range | None = None,
) -> SyncScore:
    """Compare mouth tracks.

    Closed means an opening of less than a tenth of the speaker's own range.

    Args:
        measured: (F, 3) open, width, round of the generated video.
        true: (F, 3).
        phonemes: (2 F,) viseme class per 20 ms, for closures and silence.
        other: (F', 3), the true track of another recording; cut or repeated to F frames.
        own: the speaker's range, see :func:`opening_range`; None: that of ``true``.

    Raises:
        InputError: lengths or shapes that do not fit.
    """
    if measured.shape != true.shape or measured.ndim != 2 or measured.shape[1] != 3:
        raise InputError(
            f"mouth tracks have shapes {tuple(measured.shape)} and {tuple(true.shape)}; expected (F, 3) twice"
        )
    lag, at_best_lag = best_lag(measured[:, 0], true[:, 0])
    shuffled = closures = chance = silence = quiet = float("nan")
    if other is not None:
        repeats = -(-len(true) // len(other))
        shuffled = correlation(measured[:, 0], other[:, 0].repeat(repeats)[: len(true)])
    if phonemes is not None:
        opening = relative_opening(measured[:, 0], own or opening_range(true[:, 0]))
        closures, chance = closures_hit(opening, phonemes), closures_by_chance(opening, phonemes)
        silence, quiet = silence_closed(opening, true[:, 0], phonemes)
    return SyncScore(
        opening=correlation(measured[:, 0], true[:, 0]),
        width=correlation(measured[:, 1], true[:, 1]),
        rounding=correlation(measured[:, 2], true[:, 2]),
        lag=lag,
        at_best_lag=at_best_lag,
        shuffled=shuffled,
        closures=closures,
        chance=chance,
        silence=silence,
        quiet=quiet,
    )


def opening_range(opening: Tensor) -> Range:
    """How far shut and how wide open a speaker's mouth is: the 2nd and 98th percentile of its track (F,).

    Taken of the drawn video as the measure reads it, so that what the measure gets wrong about a face, a
    moustache say, is not held against a mouth that is shut.
    """
    return float(opening.quantile(_TAIL)), float(opening.quantile(1 - _TAIL))


def relative_opening(opening: Tensor, own: Range) -> Tensor:
    """``opening`` (F,) as a share of the range ``own``: 0 shut, 1 wide open; values may lie beyond."""
    return (opening - own[0]) / max(own[1] - own[0], _STILL)


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson correlation of two tracks (F,); 0 where one of them does not move or holds a NaN."""
    a, b = first.double() - first.double().mean(), second.double() - second.double().mean()
    spread = a.square().mean().sqrt(), b.square().mean().sqrt()
    if not (spread[0] > _STILL and spread[1] > _STILL):
        return 0.0
    return float((a * b).mean() / (spread[0] * spread[1]))


def best_lag(measured: Tensor, true: Tensor, reach: int = MAX_LAG) -> tuple[int, float]:
    """(lag, correlation) where measured[t + lag] fits true[t] best, within ``reach`` frames; (F,) each.

    The smaller lag wins a tie, so a track that does not move has lag 0 and correlation 0.
    """
    return common_lag([(measured, true)], reach)


def common_lag(pairs: Sequence[tuple[Tensor, Tensor]], reach: int = MAX_LAG) -> tuple[int, float]:
    """As :func:`best_lag`, of the mean over videos: pairs of measured and true tracks, (F,) each."""
    reach = min(reach, *(len(true) - 2 for _, true in pairs))
    found = (0, -2.0)
    for lag in sorted(range(-reach, reach + 1), key=abs):
        fit = sum(_at_lag(measured, true, lag) for measured, true in pairs) / len(pairs)
        if fit > found[1] + 1e-9:
            found = (lag, fit)
    return found


def _at_lag(measured: Tensor, true: Tensor, lag: int) -> float:
    late, early = max(lag, 0), max(-lag, 0)
    return correlation(measured[late : len(measured) - early], true[early : len(true) - late])


def closures_hit(opening: Tensor, phonemes: Tensor) -> float:
    """Share of the p, b, m in ``phonemes`` (2 F,) within a frame of whose middle the lips close.

    ``opening`` (F,) is relative to the speaker's range.
    """
    middles = closure_frames(phonemes)
    return float(_closes_near(opening)[middles].float().mean()) if middles else float("nan")


def closures_by_chance(opening: Tensor, phonemes: Tensor) -> float:
    """Share of all frames that are not silent within a frame of which the lips close; as ``closures_hit``."""
    spoken = (phonemes.view(-1, FEATURES_PER_FRAME) != SILENT_CLASS).all(dim=1)
    return float(_closes_near(opening)[spoken].float().mean()) if bool(spoken.any()) else float("nan")


def _closes_near(opening: Tensor) -> Tensor:
    """Whether the lips close within a frame of each frame: (F,) -> (F,) bool."""
    lowest = -F.max_pool1d(-opening[None, None], 2 * _NEAR + 1, stride=1, padding=_NEAR)[0, 0]
    return lowest < SHUT


def closure_frames(phonemes: Tensor) -> list[int]:
    """Frames that hold the middle of a p, b or m, of classes per 20 ms (2 F,)."""
    closed = torch.cat([torch.zeros(1), (phonemes == CLOSED_CLASS).float(), torch.zeros(1)])
    change = closed.diff()
    starts, stops = (change > 0).nonzero()[:, 0], (change < 0).nonzero()[:, 0]
    last = len(phonemes) // FEATURES_PER_FRAME - 1
    middles: list[int] = ((starts + stops - 1) // 2 // FEATURES_PER_FRAME).clamp(max=last).tolist()
    return middles


def silence_closed(opening: Tensor, true: Tensor, phonemes: Tensor) -> tuple[float, float]:
    """(share closed, mean opening) of the silent frames in which the ``true`` mouth (F,) is shut.

    ``opening`` (F,) is relative to the speaker's range.
    """
    quiet = (phonemes.view(-1, FEATURES_PER_FRAME) == SILENT_CLASS).all(dim=1) & (true < _MOUTH_SHUT)
    if not bool(quiet.any()):
        return float("nan"), float("nan")
    return float((opening[quiet] < SHUT).float().mean()), float(opening[quiet].mean())
