"""Whether a long video keeps its colours and its face, clip by clip against the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ..errors import InputError
from .mouth import square

if TYPE_CHECKING:
    from torch import Tensor

_GRID = 16
_CENTRE = slice(_GRID // 4, 3 * _GRID // 4)


@dataclass(frozen=True)
class Drift:
    """One value per clip, the first included.

    Attributes:
        face: distance of the mean colour of the picture's middle from the first clip's, in 1/255.
        border: the same of its left, right and upper border.
        likeness: correlation of the mean picture's embedding with the portrait's, -1..1.
        identity: share of the gallery's other faces that the clip is less like than the portrait; 1 means
            that it is nearest to its own.
    """

    face: tuple[float, ...]
    border: tuple[float, ...]
    likeness: tuple[float, ...]
    identity: tuple[float, ...]

    @property
    def recognised(self) -> tuple[bool, ...]:
        """Whether the face nearest to each clip, of the gallery and the portrait, is the portrait's."""
        return tuple(share == 1 for share in self.identity)


def measure_drift(clips: list[Tensor], portrait: Tensor, gallery: Tensor) -> Drift:
    """Follow a video through its clips.

    Args:
        clips: (f, H, W, 3) each, 0..1; or the mean picture of each, (1, H, W, 3).
        portrait: (H, W, 3).
        gallery: (G, H', W', 3), portraits of other faces.

    Raises:
        InputError: no clips or an empty gallery.
    """
    if not clips or len(gallery) == 0:
        raise InputError("drift needs a clip and another face at least")
    small = torch.cat([_small(clip).mean(dim=0, keepdim=True) for clip in clips])  # (k, 3, grid, grid)
    centre = small[:, :, _CENTRE, _CENTRE].mean(dim=(2, 3))
    edges = [small[:, :, :, :2], small[:, :, :, -2:], small[:, :, :2, 2:-2]]
    border = torch.cat([edge.flatten(2) for edge in edges], dim=2).mean(dim=2)
    codes = embed(small)
    own = codes @ embed(_small(portrait[None]))[0]
    others = codes @ embed(_small(gallery)).T
    return Drift(
        face=_from_first(centre),
        border=_from_first(border),
        likeness=tuple(own.tolist()),
        identity=tuple((others < own[:, None]).float().mean(dim=1).tolist()),
    )


def embed(pictures: Tensor) -> Tensor:
    """A picture's coarse colours around their mean, of length 1: (B, 3, H, W) -> (B, 768)."""
    small = F.adaptive_avg_pool2d(pictures, _GRID)
    relative = (small - small.mean(dim=(1, 2, 3), keepdim=True)).flatten(1)
    return F.normalize(relative, dim=1)


def _small(frames: Tensor) -> Tensor:
    starts = range(0, len(frames), 64)
    return torch.cat([F.adaptive_avg_pool2d(square(frames[a : a + 64]), _GRID) for a in starts])


def _from_first(colours: Tensor) -> tuple[float, ...]:
    distance: list[float] = ((colours - colours[:1]).norm(dim=1) * 255).tolist()
    return tuple(distance)
