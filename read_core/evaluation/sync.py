"""Whether the lips follow the sound: the measured mouth track against the true one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..errors import InputError
from ..geometry import FEATURES_PER_FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MAX_LAG = 10
CLOSED = 0.15  # an opening below this counts as closed
SILENT_CLASS, CLOSED_CLASS = 0, 1  # of read_core.corpus.visemes
_STILL = 1e-4  # a track that moves less does not move: what rounding leaves of a frozen picture
_MOUTH_SHUT = 0.02


@dataclass(frozen=True)
class SyncScore:
    """One video against its truth.

    Attributes:
        opening, width, rounding: Pearson correlation of each track, 0 for one that does not move.
        lag: frames by which the video's opening comes late (negative: early) where it fits best.
        at_best_lag: the opening's correlation there.
        shuffled: the opening's correlation with another recording's track; NaN without one.
        closures: share of p, b and m whose lips close within a frame; NaN if there are none.
        silence: share of the frames of silence with a closed mouth; NaN if there are none.
    """

    opening: float
    width: float
    rounding: float
    lag: int
    at_best_lag: float
    shuffled: float
    closures: float
    silence: float


def score_sync(
    measured: Tensor, true: Tensor, phonemes: Tensor | None = None, other: Tensor | None = None
) -> SyncScore:
    """Compare mouth tracks.

    Args:
        measured: (F, 3) open, width, round of the generated video.
        true: (F, 3).
        phonemes: (2 F,) viseme class per 20 ms, for closures and silence.
        other: (F', 3), the true track of another recording; cut or repeated to F frames.

    Raises:
        InputError: lengths or shapes that do not fit.
    """
    if measured.shape != true.shape or measured.ndim != 2 or measured.shape[1] != 3:
        raise InputError(
            f"mouth tracks have shapes {tuple(measured.shape)} and {tuple(true.shape)}; expected (F, 3) twice"
        )
    lag, at_best_lag = best_lag(measured[:, 0], true[:, 0])
    shuffled = closures = silence = float("nan")
    if other is not None:
        repeats = -(-len(true) // len(other))
        shuffled = correlation(measured[:, 0], other[:, 0].repeat(repeats)[: len(true)])
    if phonemes is not None:
        closures = closures_hit(measured[:, 0], phonemes)
        silence = silence_closed(measured[:, 0], true[:, 0], phonemes)
    return SyncScore(
        opening=correlation(measured[:, 0], true[:, 0]),
        width=correlation(measured[:, 1], true[:, 1]),
        rounding=correlation(measured[:, 2], true[:, 2]),
        lag=lag,
        at_best_lag=at_best_lag,
        shuffled=shuffled,
        closures=closures,
        silence=silence,
    )


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
    """Share of the p, b, m in ``phonemes`` (2 F,) within a frame of whose middle ``opening`` (F,) closes."""
    middles = closure_frames(phonemes)
    if not middles:
        return float("nan")
    hits = [float(opening[max(0, k - 1) : k + 2].min()) < CLOSED for k in middles]
    return sum(hits) / len(hits)


def closure_frames(phonemes: Tensor) -> list[int]:
    """Frames that hold the middle of a p, b or m, of classes per 20 ms (2 F,)."""
    closed = torch.cat([torch.zeros(1), (phonemes == CLOSED_CLASS).float(), torch.zeros(1)])
    change = closed.diff()
    starts, stops = (change > 0).nonzero()[:, 0], (change < 0).nonzero()[:, 0]
    last = len(phonemes) // FEATURES_PER_FRAME - 1
    middles: list[int] = ((starts + stops - 1) // 2 // FEATURES_PER_FRAME).clamp(max=last).tolist()
    return middles


def silence_closed(opening: Tensor, true: Tensor, phonemes: Tensor) -> float:
    """Share of the silent frames with a truly shut mouth in which ``opening`` (F,) is closed too."""
    quiet = (phonemes.view(-1, FEATURES_PER_FRAME) == SILENT_CLASS).all(dim=1) & (true < _MOUTH_SHUT)
    if not bool(quiet.any()):
        return float("nan")
    return float((opening[quiet] < CLOSED).float().mean())
