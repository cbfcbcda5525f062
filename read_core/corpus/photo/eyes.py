"""Eyes and brows of a talking photograph: lids close with their skin and lashes, irises shift, brows rise."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...face.paste import smooth
from ..motion import Motion
from .anatomy import Axes, Eye, curve

_SHUT = 1.0  # share of the opening that a full blink covers
_SKIN = 0.75  # of the opening's height: the strip of skin above the lid that is stretched over the eye
_LASHES = 0.11  # of the opening's height: the lower rim of the lid, which keeps its size
_GAZE = (0.16, 0.22)  # shift of the iris at a gaze of 1: of the eye's half width, of its opening's height
_SWAY = 0.05  # largest shift of an eye by head motion, relative to the crop's side
_LIFT = 0.16  # rise of a brow at 1, of the distance between brow and lid


class EyeWarp:
    """One eye.

    Args:
        eye: its geometry.
        tint: (3,) color of the skin around it.
    """

    def __init__(self, eye: Eye, tint: Tensor) -> None:
        self.eye, self.tint = eye, tint

    def window(self, size: int) -> tuple[slice, slice]:
        """Rows and columns of a picture of ``size`` pixels that contain the eye for any head position."""
        x, y = self.eye.axes.origin.tolist()
        wide, high = 1.3 * self.eye.axes.half + _SWAY, self.eye.axes.half + _SWAY
        (left, right), (top, bottom) = (
            (max(0, math.floor((middle - reach) * size)), min(size, math.ceil((middle + reach) * size)))
            for middle, reach in ((x, wide), (y, high))
        )
        return slice(top, bottom), slice(left, right)

    def paint(
        self, below: Tensor, places: Tensor, sample: Callable[[Tensor], Tensor], motion: Motion, pixel: float
    ) -> Tensor:
        """Draw iris and lid over the picture.

        Args:
            below: (F, 3, h, w), the part of the picture around the eye.
            places: (F, h, w, 2), the shown places of the still.
            sample: colors (F, 3, h, w) of the still at such places.
            motion: motion of F frames.
            pixel: size of a pixel relative to the crop's side.
        """
        axes, eye = self.eye.axes, self.eye
        u, v = axes.coordinates(places)
        arch = (1 - u.square()).clamp(min=0)
        upper, lower = curve(eye.upper, u), curve(eye.lower, u)
        edge = upper + _SHUT * motion.blink[:, None, None] * (lower - upper).clamp(min=0)
        soft = pixel / axes.half
        within = smooth(4 * arch)
        ball = ((v - upper) / soft + 0.5).clamp(0, 1) * ((lower - v) / soft + 0.5).clamp(0, 1) * within
        frames = torch.lerp(below, sample(places + self._gaze_shift(u, v, motion.gaze)), ball[:, None])
        if not bool(motion.blink.any()):
            return frames
        # The strip from `top` to the lid's edge is stretched down; its lashes keep their size.
        strip = min(_SKIN * eye.height, 0.5 * max(eye.brow, 0.1)) * arch.sqrt()
        lash = torch.minimum(_LASHES * eye.height * arch.sqrt(), 0.4 * strip)
        top = upper - strip
        stretched = (strip - lash) / (edge - lash - top).clamp(min=1e-4)
        source = torch.where(v > edge - lash, v - edge + upper, top + (v - top) * stretched)
        lid = sample(places + axes.vector(torch.zeros_like(v), source - v))
        # A strip stretched far gets the color of the skin around it, since its color may be a shadow.
        bare = ((v - upper) / (0.3 * eye.height)).clamp(0, 1) * ((edge - lash - v) / soft).clamp(0, 1)
        round_ = 1.0 - 0.18 * ((v - edge) / (2.2 * eye.height)).clamp(-1, 0).abs()
        lid = torch.lerp(lid, self.tint[:, None, None] * (0.95 * round_)[:, None], 0.55 * bare[:, None])
        covers = ((v - top) / soft).clamp(0, 1) * ((edge - v) / soft + 0.5).clamp(0, 1)
        covers = covers * within * (motion.blink > 0)[:, None, None]
        frames = torch.lerp(frames, lid, covers[:, None])
        line = torch.exp(-((v - edge) / (0.06 * eye.height + 0.5 * soft)).square()) * within.square()
        return frames * (1 - 0.25 * (line * motion.blink[:, None, None])[:, None])

    def raised(self, places: Tensor, brows: Tensor) -> Tensor:
        """Displacement to the source of ``places`` (F, H, W, 2) by the brow's rise (F,): (F, H, W, 2)."""
        axes, eye = self.eye.axes, self.eye
        u, v = axes.coordinates(places)
        at_u, at_v = axes.coordinates(eye.brow_place)
        up = max(eye.brow, 0.1)
        lid_top = curve(eye.upper, u) - _SKIN * eye.height
        near = torch.exp(-((u - at_u) / 1.5).square() - ((v - at_v) / (1.5 * up)).square())
        rise = _LIFT * up * brows[:, None, None] * near * smooth((lid_top - v) / (0.5 * up))
        return axes.vector(torch.zeros_like(rise), rise)

    def _gaze_shift(self, u: Tensor, v: Tensor, gaze: Tensor) -> Tensor:
        eye = self.eye
        near = (u - eye.iris[0]).square() + (v - eye.iris[1]).square()
        follows = torch.exp(-near / (2 * (1.4 * eye.iris_radius) ** 2)) * smooth(4 * (1 - u.square()))
        across, along = (gaze[:, i, None, None] * follows for i in range(2))
        return eye.axes.vector(-_GAZE[0] * across, -_GAZE[1] * eye.height * along)


def eye_bounds(axes: Axes, eye: Eye) -> Tensor:
    """(4,): left, top, right and bottom of an eye with its lids."""
    u = torch.tensor([-1.15, 1.15, -1.15, 1.15])
    v = eye.height * torch.tensor([-1.3, -1.3, 0.9, 0.9])
    corners = axes.origin + axes.vector(u, v)
    return torch.cat([corners.amin(0), corners.amax(0)])
