"""Draw the mouth with exact shapes: lips, their line, the inside, teeth and tongue.

The height of the inner opening is mouth_gap * open in its middle, for any width and rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .canvas import Canvas, glow
from .presenter import Presenter, mix, scaled
from .state import FaceState

UPPER_SHARE = 0.22  # share of the opening that lifts the upper lip; the rest lowers the lower lip
TEETH = (0.95, 0.93, 0.88)
TONGUE = (0.60, 0.21, 0.24)
BOX_MARGIN = 0.022
BOX_MARGIN_BELOW = 0.032  # includes the shadow of the lower lip


def mouth_half_width(presenter: Presenter, width: Tensor, rounding: Tensor) -> Tensor:
    """Distance of the lip corners from the middle, head units."""
    return presenter.mouth_width * (1.0 + 0.18 * width) * (1.0 - 0.40 * rounding)


def lip_thickness(presenter: Presenter, width: Tensor, rounding: Tensor) -> tuple[Tensor, Tensor]:
    """Thickness of the upper and of the lower lip; rounding protrudes them, spreading thins them."""
    plump = (1.0 + 0.5 * rounding) * (1.0 - 0.15 * width)
    return presenter.upper_lip * plump, presenter.lower_lip * plump


def mouth_extent(presenter: Presenter) -> tuple[float, float, float]:
    """Largest extent of the lips over all mouth shapes: half width, above and below the mouth's center."""
    plump = 1.5 * 1.15
    half_width = 1.18 * presenter.mouth_width
    above = UPPER_SHARE * presenter.mouth_gap + plump * presenter.upper_lip + presenter.smile
    below = (1.0 - UPPER_SHARE) * presenter.mouth_gap + plump * presenter.lower_lip
    return half_width + BOX_MARGIN, above + BOX_MARGIN, below + BOX_MARGIN_BELOW


def paint_mouth(canvas: Canvas, presenter: Presenter, state: FaceState) -> None:
    """Draw lips, inside, teeth and tongue for each frame's open, width and round."""
    center_x, center_y, turned = state.place(presenter, 0.0, presenter.mouth_y)
    half, above, below = mouth_extent(presenter)
    middle_x, middle_y = center_x.flatten().tolist(), center_y.flatten().tolist()
    part = canvas.part(
        min(middle_x) - half, max(middle_x) + half, min(middle_y) - above - 0.01, max(middle_y) + below + 0.02
    )
    width, rounding = state.width, state.rounding
    half_width = mouth_half_width(presenter, width, rounding)
    inner_width = half_width * (0.90 - 0.08 * rounding)
    upper, lower = lip_thickness(presenter, width, rounding)
    gap = presenter.mouth_gap * state.opening
    gap_up, gap_down = UPPER_SHARE * gap, (1.0 - UPPER_SHARE) * gap

    x = (part.x - center_x) / turned
    s = x / half_width
    y = part.y - center_y + presenter.smile * (s * s).clamp(max=1.5)

    outer, outer_slope = _profile(s, 0.62, half_width)
    inner, inner_slope = _profile(x / inner_width, 0.70 - 0.20 * rounding, inner_width)
    bow = 1.0 - presenter.cupid * torch.exp(-((s / 0.2) ** 2))
    top = -(gap_up + upper * bow) * outer
    bottom = (gap_down + lower) * outer
    steep_up, steep_down = (gap_up + upper) * outer_slope, (gap_down + lower) * outer_slope

    shadow = glow(x, y - gap_down - 1.1 * lower, 0.45 * half_width, 0.013)
    part.paint(0.25 * shadow, scaled(presenter.skin, 0.62))

    lips = part.between(y, top, bottom, torch.maximum(steep_up, steep_down))
    lit = 1.0 + 0.15 * glow(x, y - gap_down - 0.5 * lower, 0.55 * half_width, 0.5 * lower)
    lit = lit - 0.16 * (y > 0.5 * (gap_down - gap_up)).logical_not().to(y)
    part.paint(lips, part.color(presenter.lip_color), lit)

    line = part.between(y, -gap_up * inner - 0.0045, gap_down * inner + 0.0045)
    line = line * part.inside(x.abs() - half_width)
    part.paint(0.85 * line, mix(scaled(presenter.lip_color, 0.35), presenter.inside_color, 0.5))

    inside = part.between(y, -gap_up * inner, gap_down * inner, gap_down * inner_slope)
    part.paint(inside, presenter.inside_color)
    wide_open = ((state.opening - 0.25) / 0.5).clamp(0.0, 1.0)
    tongue = glow(x, y - 0.95 * gap_down, 0.42 * inner_width, 0.30 * gap_down + 1e-4)
    part.paint(0.75 * wide_open * inside * tongue, TONGUE)

    narrow = 1.0 - 0.8 * rounding
    upper_teeth = gap * narrow * ((state.opening - 0.04) / 0.16).clamp(0.0, 1.0) * (0.33 + 0.08 * width)
    edge = -gap_up + upper_teeth * (1.0 - 0.25 * (x / inner_width) ** 2)
    teeth = inside * part.between(y, torch.full_like(edge, -1.0), edge)
    part.paint(teeth, part.color(TEETH), 1.0 - 0.25 * (s * s).clamp(max=1.0))
    lower_teeth = 0.13 * gap * narrow * ((state.opening - 0.45) / 0.3).clamp(0.0, 1.0)
    edge = gap_down - lower_teeth * (1.0 - 0.4 * (x / inner_width) ** 2)
    part.paint(0.9 * inside * part.inside(edge - y), scaled(TEETH, 0.86))


def _profile(s: Tensor, power: float | Tensor, half_width: Tensor) -> tuple[Tensor, Tensor]:
    """Arch over -1..1, 1 in the middle and 0 at the ends, and the size of its slope along x (bounded)."""
    base = (1.0 - s * s).clamp(min=0.0)
    arch = base**power
    slope = 2.0 * power * s.abs() * arch / (base * half_width + 1e-3)
    return arch, slope.clamp(max=25.0)
