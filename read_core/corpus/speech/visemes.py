"""Phonemes to mouth shapes: 22 classes, and tracks blended with dominance functions.

A mouth shape is (open 0..1, width -1..1, round 0..1). Neighboring phonemes are blended after Cohen and
Massaro (1993): each has a dominance that decays with distance, and the shape at a time is the mean of all
targets, weighted by their dominances. Bilabials dominate the opening so strongly that the lips meet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ...geometry import FEATURE_RATE, FEATURES_PER_FRAME, FPS
from .alphabets import ALPHABETS
from .synthesized import SILENCE, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class Viseme:
    """One class of mouth shapes.

    Attributes:
        name: a phoneme that represents the class.
        open, width, round: the target shape.
        hold: dominance for the opening.
        lips: dominance for width and rounding.
        decay: seconds over which the dominance for the opening falls by a factor e.
    """

    name: str
    open: float
    width: float
    round: float
    hold: float = 1.6
    lips: float = 1.0
    decay: float = 0.035


VISEMES = (
    Viseme("sil", 0.00, 0.00, 0.00, hold=1.0, lips=0.6),
    Viseme("p", 0.00, 0.00, 0.10, hold=70.0, lips=0.3, decay=0.012),
    Viseme("f", 0.05, 0.10, 0.00, hold=10.0, lips=0.6, decay=0.014),
    Viseme("th", 0.22, 0.10, 0.00, hold=1.5, lips=0.5),
    Viseme("t", 0.20, 0.15, 0.00, hold=0.9, lips=0.3),
    Viseme("l", 0.28, 0.10, 0.00, hold=0.8, lips=0.3),
    Viseme("s", 0.13, 0.30, 0.00, hold=1.6, lips=0.6),
    Viseme("sh", 0.18, -0.30, 0.55, hold=1.6, lips=1.5),
    Viseme("k", 0.28, 0.05, 0.00, hold=0.6, lips=0.2),
    Viseme("h", 0.35, 0.00, 0.00, hold=0.2, lips=0.1),
    Viseme("r", 0.25, -0.20, 0.40, hold=0.9, lips=0.8),
    Viseme("w", 0.12, -0.60, 0.90, hold=3.0, lips=2.5),
    Viseme("iy", 0.30, 0.80, 0.00),
    Viseme("ih", 0.36, 0.45, 0.00),
    Viseme("eh", 0.54, 0.45, 0.00),
    Viseme("ae", 0.76, 0.50, 0.00),
    Viseme("aa", 1.00, 0.10, 0.00),
    Viseme("ah", 0.56, 0.10, 0.00),
    Viseme("ao", 0.74, -0.30, 0.60),
    Viseme("uh", 0.34, -0.35, 0.60),
    Viseme("uw", 0.24, -0.65, 1.00),
    Viseme("er", 0.38, -0.15, 0.35),
)

SILENT = 0
CLOSED = 1
CLASSES = len(VISEMES)

_INDEX = {viseme.name: index for index, viseme in enumerate(VISEMES)}

# Share of a diphthong's time in its first vowel.
_FIRST_VOWEL = 0.6
# Dominances end here: in a pause, the mouth is exactly closed this long (seconds) after the last sound.
_REACH = 0.15
_SUBSTEPS = 4
_BLOCK_FRAMES = 500


def visemes_of(phoneme: str, alphabet: str) -> tuple[int, ...]:
    """The one or two viseme classes of a phoneme mnemonic of "espeak", "flite" or "festival".

    A mnemonic that is not in the table counts as its longest known prefix (espeak marks variants with added
    characters). Without one it counts as "h", which leaves the mouth to its neighbors.
    """
    table = ALPHABETS[alphabet]
    for length in range(len(phoneme), 0, -1):
        if phoneme[:length] in table:
            return tuple(_INDEX[name] for name in table[phoneme[:length]].split())
    return (_INDEX["h"],)


def viseme_spans(segments: Sequence[Segment], alphabet: str) -> list[tuple[int, float, float]]:
    """(class, start, stop) in order, in seconds: diphthongs split, runs of pauses merged."""
    spans: list[tuple[int, float, float]] = []
    for segment in segments:
        classes = visemes_of(segment.phoneme, alphabet)
        middle = segment.start + _FIRST_VOWEL * (segment.stop - segment.start)
        edges = (segment.start, segment.stop) if len(classes) == 1 else (segment.start, middle, segment.stop)
        for index, viseme in enumerate(classes):
            if viseme == SILENT and spans and spans[-1][0] == SILENT:
                spans[-1] = (SILENT, spans[-1][1], edges[index + 1])
            else:
                spans.append((viseme, edges[index], edges[index + 1]))
    return spans


def is_pause(segment: Segment, alphabet: str) -> bool:
    """Whether ``segment`` is silence."""
    return segment.phoneme == SILENCE[alphabet]


def phoneme_targets(segments: Sequence[Segment], alphabet: str, frames: int) -> Tensor:
    """Viseme class in the middle of each 20 ms: (2 * frames,) int64; silence after the last segment."""
    spans = viseme_spans(segments, alphabet)
    times = (torch.arange(frames * FEATURES_PER_FRAME, dtype=torch.float64) + 0.5) / FEATURE_RATE
    starts = torch.tensor([start for _, start, _ in spans], dtype=torch.float64)
    classes = torch.tensor([viseme for viseme, _, _ in spans])
    index = torch.searchsorted(starts, times, right=True) - 1
    targets = torch.where(index >= 0, classes[index.clamp(min=0)], SILENT)
    return torch.where(times < spans[-1][2], targets, SILENT)


def closure_frames(segments: Sequence[Segment], alphabet: str, frames: int) -> Tensor:
    """The frames with the middle of each p, b or m, in order: (K,) int64, each below ``frames``."""
    spans = viseme_spans(segments, alphabet)
    middles = [0.5 * (start + stop) * FPS for viseme, start, stop in spans if viseme == CLOSED]
    found = torch.tensor(middles, dtype=torch.float64).long()
    return found[found < frames]


def mouth_track(segments: Sequence[Segment], alphabet: str, frames: int) -> Tensor:
    """Mouth shapes at 25 fps: (frames, 3) float32, [open 0..1, width -1..1, round 0..1].

    Frame k has the mean over [k, k + 1) / 25 s. The frame with the middle of a p, b or m has the lips at
    their closest, so that short closures are not lost between frames.
    """
    spans = viseme_spans(segments, alphabet)
    starts = torch.tensor([start for _, start, _ in spans], dtype=torch.float64)
    stops = torch.tensor([stop for _, _, stop in spans], dtype=torch.float64)
    classes = torch.tensor([viseme for viseme, _, _ in spans])
    fine = torch.empty(frames, _SUBSTEPS, 3, dtype=torch.float64)
    for first in range(0, frames, _BLOCK_FRAMES):
        last = min(first + _BLOCK_FRAMES, frames)
        near = (stops > first / FPS - _REACH) & (starts < last / FPS + _REACH)
        steps = torch.arange(first * _SUBSTEPS, last * _SUBSTEPS, dtype=torch.float64)
        times = (steps + 0.5) / (FPS * _SUBSTEPS)
        fine[first:last] = _blend(times, classes[near], starts[near], stops[near]).view(-1, _SUBSTEPS, 3)
    track = fine.mean(dim=1)
    closures = closure_frames(segments, alphabet, frames)
    track[closures, 0] = fine[closures, :, 0].amin(dim=1)
    return track.float()


def _blend(times: Tensor, classes: Tensor, starts: Tensor, stops: Tensor) -> Tensor:
    """Cohen-Massaro blending at ``times`` (T,) of K spans: (T, 3)."""
    rows = [(v.open, v.width, v.round, v.hold, v.lips, v.decay) for v in VISEMES]
    table = torch.tensor(rows, dtype=torch.float64)[classes]
    distance = torch.maximum(starts - times[:, None], times[:, None] - stops).clamp(min=0)  # (T, K)
    opening = table[:, 3] * _dominance(distance, table[:, 5])
    lips = table[:, 4] * _dominance(distance, torch.full_like(table[:, 5], Viseme.decay))
    shapes = [_mean(opening, table[:, 0]), _mean(lips, table[:, 1]), _mean(lips, table[:, 2])]
    return torch.stack(shapes, dim=1)


def _dominance(distance: Tensor, decay: Tensor) -> Tensor:
    return (torch.exp(-distance / decay) - torch.exp(-_REACH / decay)).clamp(min=0)


def _mean(weights: Tensor, values: Tensor) -> Tensor:
    total = weights.sum(dim=1)
    return torch.where(total > 0, (weights @ values) / total.clamp(min=1e-9), math.nan).nan_to_num(0.0)
