"""The mouth of a talking photograph: two layers that part along the lips, and the inside of the mouth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...face.paste import smooth
from .anatomy import Mouth, curve

UPPER_SHARE = 0.22
"""Share of the opening that lifts the upper lip; the rest lowers the lower lip and the jaw."""
_WIDER, _NARROWER = 0.16, 0.34  # change of the width at width 1 and at round 1
SHOWS_TEETH = 0.2
"""Smallest distance of the still's lips, in half widths of the mouth, at which its own teeth are kept."""
_THICKER = 0.35  # lips at round 1
_ROUNDED = 0.07  # width of the rim where the lips turn inwards, in half widths of the mouth
_JAW_REACH = (1.3, 2.4)  # half the width of the part that falls with the jaw, at the lips and at the chin
_CHIN_SHARE = 0.80  # of the lower lip's fall that the chin shares
_BELOW_CHIN = 0.85  # how far below the chin, in distances from mouth to chin, the fall ends


@dataclass(frozen=True)
class Inside:
    """The inside of one person's open mouth; lengths in half widths of the mouth.

    Attributes:
        light: brightness of white in this picture, 0..1; tint: (3,) its color.
        upper_teeth, lower_teeth: how far they extend below the line of the resting lips and above the lower
            lip.
        tooth: width of a tooth.
        white: how white the teeth are, 0..1.
        tongue: how large the tongue is, 0..1.
    """

    light: float
    tint: Tensor
    upper_teeth: float
    lower_teeth: float
    tooth: float
    white: float
    tongue: float


@dataclass(frozen=True)
class Lips:
    """Position of the lips in F frames, at every pixel, in the axes of the mouth: (F, H, W) each.

    Attributes:
        u, v: coordinates; u without the change of the width.
        upper, lower: edges of the lips in the still.
        top, bottom: edges of the lips now.
        parted: their distance now, in the middle: (F, 1, 1).
    """

    u: Tensor
    v: Tensor
    upper: Tensor
    lower: Tensor
    top: Tensor
    bottom: Tensor
    parted: Tensor


class MouthWarp:
    """One mouth.

    Args:
        mouth: its geometry.
        opening: distance of the lips at open = 1, in half widths of the mouth.
        inside: inside of the mouth.
    """

    def __init__(self, mouth: Mouth, opening: float, inside: Inside) -> None:
        self.mouth, self.opening, self.inside = mouth, opening, inside

    def lips(self, places: Tensor, track: Tensor) -> Lips:
        """(F, H, W, 2) places and (F, 3) open, width, round."""
        opened, width, rounding = (track[:, i, None, None] for i in range(3))
        u, v = self.mouth.axes.coordinates(places)
        stretch = (1 + _WIDER * width) * (1 - _NARROWER * rounding)
        middle = curve((self.mouth.upper + self.mouth.lower) / 2, torch.zeros(1))
        near = torch.exp(-((u / 1.6).square() + ((v - middle) / 1.25).square()).square())
        u = u * (1 - (1 - 1 / stretch) * near)
        upper, lower = curve(self.mouth.upper, u), curve(self.mouth.lower, u)
        parted = self.opening * opened * (1 - 0.25 * rounding)
        # The change of the lips' distance; a still with parted lips is closed first.
        change = parted * _lens(u, rounding) - (lower - upper).clamp(min=0)
        top, bottom = upper - UPPER_SHARE * change, lower + (1 - UPPER_SHARE) * change
        return Lips(u, v, upper, lower, top, bottom, parted)

    def upper_source(self, lips: Lips, track: Tensor) -> Tensor:
        """Displacement of the layer above the mouth: (F, H, W, 2); place + displacement = source."""
        rise = lips.v - lips.top  # 0 at the edge of the lip, negative above it
        reach = self.mouth.nose + float(self.mouth.upper[0])
        falls = (1 + rise.clamp(max=0) / max(reach, 0.1)).clamp(0, 1).square()
        dv = (lips.upper - lips.top) * falls
        return self._source_position(lips, dv - self._swell(rise, -1, self.mouth.upper_lip, track))

    def lower_source(self, lips: Lips, track: Tensor) -> Tensor:
        """The same for the layer below the mouth, with chin and jaw."""
        depth = lips.v - lips.bottom
        chin = max(self.mouth.chin - float(self.mouth.lower[0]), 0.5)
        jaw = smooth(depth / (0.7 * chin))
        reach = _JAW_REACH[0] + (_JAW_REACH[1] - _JAW_REACH[0]) * jaw
        sideways = torch.exp(-(lips.u / reach).square().square())
        fall = (1 - UPPER_SHARE) * (lips.parted - self.mouth.gap)
        share = 1 - (1 - _CHIN_SHARE) * (depth / chin).clamp(0, 1)
        fades = 1 - smooth((depth - 0.9 * chin) / (_BELOW_CHIN * chin))
        at_lip = lips.lower - lips.bottom
        dv = torch.lerp(at_lip, -fall * sideways * share, jaw) * fades
        return self._source_position(lips, dv - self._swell(depth, 1, self.mouth.lower_lip, track))

    def _swell(self, distance: Tensor, sign: int, thickness: float, track: Tensor) -> Tensor:
        """Rounding thickens the lips: the source of a point at ``distance`` is nearer to the edge."""
        amount = 1 - 1 / (1 + _THICKER * track[:, 2, None, None])
        inward = (sign * distance).clamp(min=0)
        return sign * amount * inward * torch.exp(-(inward / (1.6 * max(thickness, 0.05))).square())

    def _source_position(self, lips: Lips, dv: Tensor) -> Tensor:
        # u of `lips` is the source's, so the displacement along u is known.
        return torch.stack([lips.u, lips.v + dv], dim=-1)

    def sources(self, coordinates: Tensor) -> Tensor:
        """(..., 2) u and v -> places."""
        return self.mouth.axes.origin + self.mouth.axes.vector(coordinates[..., 0], coordinates[..., 1])

    def between(self, lips: Lips, pixel: float) -> Tensor:
        """Share of each pixel between the lips, 0..1; ``pixel`` is its size in half widths."""
        soft = pixel + 0.3 * _ROUNDED
        above = smooth((lips.v - lips.top) / soft + 0.5)
        below = smooth((lips.bottom - lips.v) / soft + 0.5)
        opened = ((lips.bottom - lips.top) / pixel).clamp(0, 1)  # nothing is visible between closed lips
        return above * below * opened * (lips.u.abs() < 1).float()

    def paint(self, lips: Lips, own: Tensor) -> Tensor:
        """Colors between the lips, (F, 3, H, W). ``own``, the still's, are kept where it shows teeth."""
        u, v, look = lips.u, lips.v, self.inside
        depth = (v - lips.top).clamp(min=0)
        room = (lips.bottom - lips.top).clamp(min=1e-3)
        lit = look.light * look.tint
        side = 1 - 0.8 * u.square().clamp(max=1)  # the corners lie in the dark
        shade = smooth(depth / 0.30) * 0.65 + 0.35  # the upper lip's shadow

        cavity = torch.tensor([0.17, 0.085, 0.08])
        color = (cavity * lit)[:, None, None] * (0.5 + 0.5 * side)[:, None]
        tongue_top = lips.bottom - (0.30 + 0.25 * look.tongue) * lips.parted * (1 - 0.8 * u.square())
        tongue = smooth((v - tongue_top) / 0.25) * smooth((lips.parted - 0.25) / 0.45)
        pink = torch.tensor([0.52, 0.29, 0.28]) * lit
        color = _composited(color, pink, (0.45 + 0.55 * smooth((v - tongue_top) / 0.4)) * side, 0.85 * tongue)

        enamel = (
            torch.lerp(torch.tensor([0.78, 0.71, 0.60]), torch.tensor([0.90, 0.87, 0.82]), look.white) * lit
        )
        shown = smooth((lips.parted - 0.10) / 0.22)  # a small gap is only dark
        tooth = look.tooth * (1 - 0.35 * u.square())  # they seem smaller to the sides
        within = 0.5 - ((u / tooth + 0.5) % 1 - 0.5).abs()  # 0 where two teeth meet
        grooves = 1 - 0.07 * torch.exp(-(within / 0.16).square())
        rest = (lips.upper + lips.lower) / 2
        scallop = look.upper_teeth * (1 - 0.45 * u.square()) - 0.02 * torch.exp(-(within / 0.16).square())
        upper = smooth((rest + scallop - v) / 0.09 + 0.5) * shown
        color = _composited(color, enamel, grooves * side * shade, upper)
        low = lips.bottom - look.lower_teeth * smooth((lips.parted - 0.25) / 0.4)
        lower = smooth((v - low) / 0.08 + 0.5) * smooth((0.75 - u.abs()) / 0.5) * smooth(room / 0.3 - 0.5)
        color = _composited(color, enamel, 0.65 * grooves * side * (0.5 + 0.5 * shade), 0.7 * lower)
        if self.mouth.gap > SHOWS_TEETH:
            kept = smooth((lips.lower - v) / 0.06) * smooth((v - lips.upper) / 0.04 + 1)
            color = torch.lerp(color, own, kept[:, None] * (lips.lower - lips.upper > 0.03)[:, None])
        return color


def wet_rim(lips: Lips) -> Tensor:
    """Brightness of the lips at the opening, where they turn inwards: (F, H, W), 1 away from it."""
    above, below = lips.top - lips.v, lips.v - lips.bottom
    beside = torch.maximum(above, below).clamp(min=0)
    opened = ((lips.bottom - lips.top) / 0.15).clamp(0, 1)
    return 1 - 0.3 * opened * torch.exp(-(beside / _ROUNDED).square())


def _lens(u: Tensor, rounding: Tensor) -> Tensor:
    """Height of the open mouth along u, relative to its middle."""
    return (1 - u.square()).clamp(min=0) ** (0.85 - 0.2 * rounding)


def _composited(below: Tensor, color: Tensor, shade: Tensor, alpha: Tensor) -> Tensor:
    """Lay ``color`` (3,) times ``shade`` (F, H, W) over (F, 3, H, W)."""
    return below + alpha[:, None] * (color[:, None, None] * shade[:, None] - below)
