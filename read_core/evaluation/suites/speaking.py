"""Measure one generated video of a talk: lips, eyes, head and seams, compared with the talk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..metrics.eyes import eye_contrast, faded_frames, open_eyes, share_of_contrast
from ..metrics.face import count_blinks, read_placed
from ..metrics.head import head_motion
from ..metrics.seams import SeamScore, score_seams
from ..metrics.span import opening_span
from ..metrics.sync import SyncScore, count_shut, opening_range, relative_opening, score_sync

if TYPE_CHECKING:
    from torch import Tensor

    from ..material.talks import Talk


@dataclass(frozen=True)
class Reading:
    """Readings of a video of F frames.

    Attributes:
        mouth: (F, 3) open, width, round.
        blink: (F,) how far both lids are shut, 0..1.
        contrast: (F, 2) contrast of the eyes.
        head: head motion in eye distances.
    """

    mouth: Tensor
    blink: Tensor
    contrast: Tensor
    head: float


@dataclass(frozen=True)
class Speaking:
    """The figures of one video.

    Attributes:
        frames: of the video.
        sync: correlations with the true tracks, and counts of shut lips.
        span: range of the opening, relative to the talk's.
        blinks, true_blinks: blinks read in the video and in the talk; none behind dark glasses.
        faded, seen: frames with an eye below half contrast, and frames with open eyes; none behind glasses.
        head, true_head: head motion in the video and in the talk.
        seams: jumps between frames.
        contrast: of the eyes in frames with open eyes, by the talk's first frame; NaN behind dark glasses.
    """

    frames: int
    sync: SyncScore
    span: float
    blinks: int
    true_blinks: int
    faded: int
    seen: int
    head: float
    true_head: float
    seams: SeamScore
    contrast: float


def read_talk(frames: Tensor, talk: Talk) -> Reading:
    """Read frames (F, S, S', 3), 0..1, of a video of ``talk``."""
    points = talk.points
    tracks = read_placed(frames, points)
    places = (tracks.places - points)[:, 0] / (points[1] - points[0]).norm()
    return Reading(tracks.mouth, tracks.blink, eye_contrast(frames, tracks.places), head_motion(places))


def speaking_of(
    frames: Tensor, found: Reading, talk: Talk, truth: Reading, boundaries: list[int]
) -> Speaking:
    """Measure a video.

    Args:
        frames: (F, S, S', 3), 0..1.
        found: their readings.
        talk: the talk.
        truth: readings of the talk's frames.
        boundaries: last frames before a new clip.
    """
    opening = relative_opening(found.mouth[:, 0], opening_range(truth.mouth[:, 0]))
    cases = count_shut(opening, talk.mouth[:, 0], talk.phonemes, talk.closures)
    span = opening_span(truth.mouth[:, 0])
    seen = open_eyes(found.blink)
    return Speaking(
        frames=len(frames),
        sync=score_sync(found.mouth, talk.mouth, cases),
        span=opening_span(found.mouth[:, 0]) / span if span > 0 else float("nan"),
        blinks=0 if talk.covered else count_blinks(found.blink),
        true_blinks=0 if talk.covered else count_blinks(truth.blink),
        faded=0 if talk.covered else faded_frames(found.contrast, truth.contrast[0], seen),
        seen=0 if talk.covered else int(seen.sum()),
        head=found.head,
        true_head=truth.head,
        seams=score_seams(frames, boundaries),
        contrast=float("nan") if talk.covered else share_of_contrast(found.contrast, truth.contrast[0], seen),
    )
