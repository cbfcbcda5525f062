"""Drift of colors, face and detail of a video, relative to its portrait and the first clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ...errors import InputError
from ...mouth.reader import square
from ..material.gallery import Gallery, face_colors
from .sync import correlation

if TYPE_CHECKING:
    from torch import Tensor

_GRID = 16
_CENTER = slice(_GRID // 4, 3 * _GRID // 4)
_AT_ONCE = 64  # frames


@dataclass(frozen=True)
class Drift:
    """One value per clip, including the first; distances and colors in 1/255.

    Attributes:
        face: distance of the mean color of the picture's middle from the first clip's.
        border: the same for its left, right and upper border.
        face_from_portrait: distance of the mean color of the middle from the portrait's.
        border_from_portrait: the same for the border.
        own: root mean square difference of the clip's mean picture from the portrait, around the head.
        other: the same from the nearest other face of the gallery.
        likeness: correlation of the clip's mean picture with the portrait around the head, -1..1.
        identity: share of the gallery's faces that are farther from the clip than the portrait; 1: its own
            portrait is the nearest.
    """

    face: tuple[float, ...]
    border: tuple[float, ...]
    face_from_portrait: tuple[float, ...]
    border_from_portrait: tuple[float, ...]
    own: tuple[float, ...]
    other: tuple[float, ...]
    likeness: tuple[float, ...]
    identity: tuple[float, ...]

    @property
    def recognized(self) -> tuple[bool, ...]:
        """Whether the portrait is nearer to each clip than all faces of the gallery."""
        return tuple(share == 1 for share in self.identity)


def measure_drift(clips: list[Tensor], portrait: Tensor, gallery: Gallery) -> Drift:
    """Measure the drift of a video over its clips.

    Args:
        clips: (f, H, W, 3) each, 0..1; or the mean picture of each, (1, H, W, 3).
        portrait: (H, W, 3).
        gallery: other faces in the portrait's scene.

    Raises:
        InputError: there are no clips.
    """
    if not clips:
        raise InputError("drift needs a clip at least")
    means = torch.cat([clip.mean(dim=0, keepdim=True) for clip in clips])
    middle, border = middle_and_border(coarse(means))
    own_middle, own_border = middle_and_border(coarse(portrait[None]))
    faces, own_face = face_colors(means, gallery.box), face_colors(portrait[None], gallery.box)
    own = _distances(faces, own_face)[:, 0]
    others = _distances(faces, gallery.faces)
    return Drift(
        face=_tuple(color_distance(middle, middle[:1])),
        border=_tuple(color_distance(border, border[:1])),
        face_from_portrait=_tuple(color_distance(middle, own_middle)),
        border_from_portrait=_tuple(color_distance(border, own_border)),
        own=_tuple(own),
        other=_tuple(others.amin(dim=1)),
        likeness=tuple(correlation(face.flatten(), own_face.flatten()) for face in faces),
        identity=_tuple((others > own[:, None]).float().mean(dim=1)),
    )


def coarse(frames: Tensor) -> Tensor:
    """Mean colors of a grid over the middle square of frames (F, H, W, 3): (F, 3, 16, 16)."""
    starts = range(0, len(frames), _AT_ONCE)
    return torch.cat([F.adaptive_avg_pool2d(square(frames[a : a + _AT_ONCE]).cpu(), _GRID) for a in starts])


def detail(frames: Tensor) -> float:
    """Mean absolute difference of neighboring pixels of (F, H, W, 3); it falls when pictures blur."""
    across, down = frames.diff(dim=2).abs().mean(), frames.diff(dim=1).abs().mean()
    return float(across + down) / 2


def middle_and_border(small: Tensor) -> tuple[Tensor, Tensor]:
    """Mean colors (k, 3) of the middle and of the left, right and upper border of (k, 3, 16, 16)."""
    edges = [small[:, :, :, :2], small[:, :, :, -2:], small[:, :, :2, 2:-2]]
    border = torch.cat([edge.flatten(2) for edge in edges], dim=2).mean(dim=2)
    return small[:, :, _CENTER, _CENTER].mean(dim=(2, 3)), border


def color_distance(colors: Tensor, base: Tensor) -> Tensor:
    """Distances (k,) of colors (k, 3), 0..1, from (1, 3) or (k, 3), in 1/255."""
    return 255 * (colors - base).square().sum(dim=1).sqrt()


def _distances(faces: Tensor, others: Tensor) -> Tensor:
    """Root mean square differences (k, G), in 1/255, of (k, 3, g, g) from (G, 3, g, g)."""
    return torch.stack([255 * (face - others).square().mean(dim=(1, 2, 3)).sqrt() for face in faces])


def _tuple(values: Tensor) -> tuple[float, ...]:
    found: list[float] = values.tolist()
    return tuple(found)
