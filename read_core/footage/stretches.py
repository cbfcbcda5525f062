"""Stretches of a video with one steady face, their crops, and why the others are left out.

The face is searched in every ``EVERY``-th frame. A stretch ends with its shot, or if more than ``BRIDGED``
frames in a row have no face or several. It is cut into items of equal length, whose crops never move; a short
one is kept whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..face.alignment import FaceCrop, FaceLayout, face_crop, upright_order
from ..geometry import FPS, FRAMES_PER_LATENT

if TYPE_CHECKING:
    from ..face.finder import Faces

EVERY = 5  # frames
BRIDGED = 15  # frames without one face, at most, inside a stretch
NO_FACE, MORE_FACES, FROZEN = "no face", "more than one face", "the picture stands still"
_OTHER = 0.5  # side of a second face by that of the first, from which there are two
_LEAPS = 0.6  # distances of the eyes from one look to the next, from which it is another place
_STRAYS = 0.5  # distances of the eyes from the place in the crop
_GROWS = 1.35  # times the size in the crop
_SMALL = 0.5  # pixels of the picture per pixel of the crop
_OUTSIDE = 0.12  # share of the crop that may lie outside the picture
_MISSING = 0.2  # share of the looks of an item that may find no face


@dataclass(frozen=True)
class Look:
    """What was seen at one moment: three points (3, 2) of one face, or why there is none."""

    index: int
    points: Tensor | None
    reason: str = ""


@dataclass(frozen=True)
class Span:
    """Moments [start, stop) of a video that become an item with this crop, or do not, for this reason."""

    start: int
    stop: int
    crop: FaceCrop | None = None
    reason: str = ""


def look(index: int, faces: Faces) -> Look:
    """The one face of a picture, if there is one; a small one in the background does not count."""
    if not len(faces):
        return Look(index, None, NO_FACE)
    sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).prod(dim=1).clamp(min=0).sqrt()
    if len(faces) > 1 and float(sides[1]) > _OTHER * float(sides[0]):
        return Look(index, None, MORE_FACES)
    return Look(index, upright_order(faces.points[0].float().cpu()))


def spans_of_shot(
    shot: tuple[int, int],
    looks: Sequence[Look],
    frame: tuple[int, int],
    size: int,
    layout: FaceLayout,
    frames: tuple[int, int, int],
) -> list[Span]:
    """Cut one shot into items and left-out spans.

    Args:
        shot: its first moment and the one after its last.
        looks: those inside it, in order.
        frame: height and width of the picture.
        size: pixels of a crop's side.
        layout: where a crop has the face.
        frames: least of a stretch, least and most of an item that it is cut into, 8 n + 1 each.
    """
    spans: list[Span] = []
    done = shot[0]
    for start, stop in _stretches(shot, looks):
        if start > done:
            spans.append(Span(done, start, reason=_most_common_reason(done, start, looks)))
        for low, high in divided(start, stop, frames):
            within = [one for one in looks if low <= one.index < high]
            spans.append(_span_of_stretch(low, high, within, frame, size, layout, frames[0]))
        done = stop
    if done < shot[1]:
        spans.append(Span(done, shot[1], reason=_most_common_reason(done, shot[1], looks)))
    return spans


def divided(start: int, stop: int, frames: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Moments [start, stop) in as few parts of equal length as fit, 8 n + 1 each; a few may be left over.

    Fewer moments than an item has are one part, and fewer than a stretch has are all of that part.

    Args:
        start: the first moment.
        stop: the one after the last.
        frames: as in :func:`spans_of_shot`.
    """
    count = stop - start
    kept_from, least, most = frames
    if count < kept_from:
        return [(start, stop)]
    if count < least:
        return [(start, start + _frames_of_whole_latents(count))]
    parts = -(-count // most)
    length = _frames_of_whole_latents(count // parts)
    if length < least:
        parts -= 1
        length = min(most, _frames_of_whole_latents(count // parts))
    return [(start + i * length, start + (i + 1) * length) for i in range(parts)]


def _frames_of_whole_latents(count: int) -> int:
    return count - (count - 1) % FRAMES_PER_LATENT


def _stretches(shot: tuple[int, int], looks: Sequence[Look]) -> list[tuple[int, int]]:
    """Where there is one face that does not leap, as [start, stop)."""
    found: list[list[int]] = []
    last: Look | None = None
    for one in looks:
        if one.points is None:
            continue
        if last is not None and one.index - last.index <= BRIDGED + EVERY and not _face_jumps(last, one):
            found[-1][1] = one.index
        else:
            found.append([one.index, one.index])
        last = one
    return [(first, min(shot[1], final + EVERY)) for first, final in found]


def _face_jumps(last: Look, now: Look) -> bool:
    if last.points is None or now.points is None:
        return False
    return float((now.points - last.points).norm(dim=1).mean()) > _LEAPS * float(_eye_distance(last.points))


def _eye_distance(points: Tensor) -> Tensor:
    distance: Tensor = (points[1] - points[0]).norm().clamp(min=1e-6)
    return distance


def _span_of_stretch(
    start: int,
    stop: int,
    looks: Sequence[Look],
    frame: tuple[int, int],
    size: int,
    layout: FaceLayout,
    least: int,
) -> Span:
    """An item, or a left-out span with the reason."""
    if stop - start < least:
        reason = f"one steady face for {(stop - start) / FPS:.1f} s only"
        return Span(start, stop, reason=reason)
    seen = [one.points for one in looks if one.points is not None]
    if len(seen) < (1 - _MISSING) * len(looks) or not seen:
        return Span(start, stop, reason=_most_common_reason(start, stop, looks))
    points = torch.stack(seen)
    middle = points.median(dim=0).values
    crop = face_crop(middle, (size, size), layout)
    apart = _eye_distance(middle)
    strayed = float((points - middle).norm(dim=2).mean(dim=1).max()) / float(apart)
    sizes = (points[:, 2] - points[:, :2].mean(dim=1)).norm(dim=1)
    usual = (middle[2] - middle[:2].mean(0)).norm().clamp(min=1e-6)
    growth = float(torch.maximum(sizes / usual, usual / sizes.clamp(min=1e-6)).max())
    if strayed > _STRAYS:
        reason = f"the face moves by {strayed:.1f} times the distance of its eyes"
    elif growth > _GROWS:
        reason = f"the face changes its size {growth:.2f} times"
    elif crop.width < _SMALL * size:
        reason = f"the face is small: {crop.width:.0f} pixels would become {size}"
    elif _outside(crop, frame) > _OUTSIDE:
        reason = f"{_outside(crop, frame):.0%} of the crop lies outside the picture"
    else:
        return Span(start, stop, crop)
    return Span(start, stop, reason=reason)


def _outside(crop: FaceCrop, frame: tuple[int, int]) -> float:
    """The share of a crop that lies outside a picture of (height, width)."""
    steps = (torch.arange(32) + 0.5) / 32
    places = crop.to_original(torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1))
    inside = (places >= 0) & (places < places.new_tensor([frame[1], frame[0]]))
    return 1 - float(inside.all(dim=-1).float().mean())


def _most_common_reason(start: int, stop: int, looks: Sequence[Look]) -> str:
    reasons = Counter(one.reason for one in looks if start <= one.index < stop and one.reason)
    return reasons.most_common(1)[0][0] if reasons else NO_FACE
