"""Quality of a talk after the codec and the finishing step: decibels, and readings of the reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..figures import column
from .face import read_placed
from .psnr import in_boxes, to_decibels
from .span import opening_span
from .sync import correlation

if TYPE_CHECKING:
    from torch import Tensor

    from ..material.talks import Talk

_BLINKS = 0.95  # lids at the lowest point of a blink


@dataclass(frozen=True)
class Coded:
    """Figures of one talk through the codec, frame 0 left out.

    Attributes:
        whole, mouth, eyes: PSNR in decibels, compared with the rendered talk.
        opening, width, rounding: correlation of its readings with the true tracks.
        span: range of the opening, relative to the rendered talk.
        lids: how far open the eyes are read while they are shut; NaN if they never are.
        true_lids: the same for the rendered talk.
    """

    whole: float = column("whole (dB)")
    mouth: float = column("mouth (dB)")
    eyes: float = column("eyes (dB)")
    opening: float = column("open r")
    width: float = column("width r")
    rounding: float = column("round r")
    span: float = column("range")
    lids: float = column("eyes in blinks")
    true_lids: float = column("as rendered")


def coded_of(frames: Tensor, talk: Talk) -> Coded:
    """Measure frames (F, S, S', 3), 0..1, F up to the talk's, F at least 2."""
    count, (height, width) = len(frames), frames.shape[1:3]
    true = talk.frames[:count]
    error = (frames - true).square().mean(-1)[1:]
    boxes, eyes = talk.boxes[1:count], talk.eyes[1:count]
    lips = in_boxes(boxes, height, width)
    lids = in_boxes(eyes[:, 0], height, width) | in_boxes(eyes[:, 1], height, width)
    found, truth = read_placed(frames, talk.points), read_placed(true, talk.points)
    opening, width_, rounding = (correlation(found.mouth[:, i], talk.mouth[:count, i]) for i in range(3))
    span, shut = opening_span(truth.mouth[:, 0]), talk.blink[:count] > _BLINKS
    return Coded(
        whole=to_decibels(float(error.mean())),
        mouth=to_decibels(float(error[lips].mean())),
        eyes=to_decibels(float(error[lids].mean())),
        opening=opening,
        width=width_,
        rounding=rounding,
        span=opening_span(found.mouth[:, 0]) / span if span > 0 else float("nan"),
        lids=float(1 - found.blink[shut].mean()),
        true_lids=float(1 - truth.blink[shut].mean()),
    )
