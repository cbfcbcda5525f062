"""Draw eyes, brows, nose, glasses and earrings."""

from __future__ import annotations

import torch

from .canvas import Canvas, box, ellipse, glow
from .presenter import Presenter, mix, scaled
from .state import FaceState

SCLERA = (0.96, 0.95, 0.94)
INK = (0.12, 0.08, 0.08)


def paint_eyes(canvas: Canvas, presenter: Presenter, state: FaceState) -> None:
    """Both eyes with lids, iris, pupil and highlight, looking along the gaze and closing with the blink."""
    for side in (-1.0, 1.0):
        _paint_eye(canvas, presenter, state, side)


def _paint_eye(canvas: Canvas, presenter: Presenter, state: FaceState, side: float) -> None:
    half, high = presenter.eye_width, presenter.eye_height
    center_x, center_y, turned = state.place(presenter, side * presenter.eye_spacing, presenter.eye_y)
    part = _around(canvas, center_x, center_y, 2.0 * half, 2.7 * high + 0.02)
    x = (part.x - center_x) / turned
    y = part.y - center_y + presenter.eye_tilt * side * x
    s = x / half
    arch = (1.0 - s * s).clamp(min=0.0)
    within = part.inside(x.abs() - half)
    shut = state.blink
    lower_lid = 0.85 * high * arch
    upper_lid = torch.lerp(-1.15 * high * arch, 0.8 * lower_lid, shut)
    slope = (2.3 * high / half) * s.abs()

    part.paint(0.35 * glow(x, y + 0.2 * high, 0.95 * half, 1.15 * high), scaled(presenter.skin, 0.72))
    lid = within * part.between(y, -1.55 * high * arch - 0.004, lower_lid, slope)
    part.paint(0.75 * lid, scaled(presenter.skin, 0.84))
    eye = within * part.between(y, upper_lid, lower_lid, slope)
    part.paint(eye, SCLERA)
    iris_x = x - 0.34 * half * state.gaze_x
    iris_y = y - 0.40 * high * state.gaze_y + 0.12 * high
    radius = 0.92 * high
    part.paint(eye * part.inside(ellipse(iris_x, iris_y, radius, radius)), scaled(presenter.eye_color, 0.8))
    bright = eye * glow(iris_x, iris_y - 0.35 * radius, 0.45 * radius, 0.35 * radius)
    part.paint(bright, scaled(presenter.eye_color, 1.4))
    part.paint(eye * part.inside(ellipse(iris_x, iris_y, 0.48 * radius, 0.48 * radius)), INK)
    part.paint(0.3 * eye * part.inside(y - upper_lid - 0.35 * high), scaled(presenter.skin, 0.4))
    spark = ellipse(iris_x - 0.36 * radius, iris_y + 0.36 * radius, 0.24 * radius, 0.24 * radius)
    part.paint(0.95 * eye * part.inside(spark), (1.0, 1.0, 1.0))
    lash = part.between(y, upper_lid - presenter.lashes, upper_lid + 0.25 * presenter.lashes, slope)
    part.paint(part.inside(x.abs() - 1.06 * half) * lash, INK)
    under = part.between(y, lower_lid, lower_lid + 0.004, slope)
    part.paint(0.45 * within * under, scaled(presenter.skin, 0.5))


def paint_brows(canvas: Canvas, presenter: Presenter, state: FaceState) -> None:
    """Two tapered brows that rise with the brow track."""
    for side in (-1.0, 1.0):
        place_y = presenter.eye_y - presenter.brow_y
        center_x, center_y, turned = state.place(presenter, side * 1.04 * presenter.eye_spacing, place_y)
        center_y = center_y - 0.022 * state.brows
        half = presenter.brow_width
        part = _around(canvas, center_x, center_y, 1.15 * half, 0.055)
        x = side * (part.x - center_x) / turned  # outwards
        s = x / half
        y = part.y - center_y + presenter.brow_tilt * x + presenter.brow_arch * (1.0 - (s - 0.2) ** 2)
        thick = 0.5 * presenter.brow_thickness * (1.0 - 0.35 * s) * (1.0 - s**4).clamp(min=0.0) ** 0.5
        brow = part.between(y, -thick, thick) * part.inside(x.abs() - half)
        part.paint(0.92 * brow, presenter.brow_color)


def paint_nose(canvas: Canvas, presenter: Presenter, state: FaceState) -> None:
    """A nose of soft light and shadow with an underside and two nostrils."""
    tip = presenter.eye_y + presenter.nose_length + 0.02
    center_x, center_y, turned = state.place(presenter, 0.0, tip, depth=1.3)
    root_x, _, _ = state.place(presenter, 0.0, 0.0)
    half = presenter.nose_width
    part = _around(canvas, center_x, center_y, 2.5 * half, 0.21)
    y = part.y - center_y
    rise = (-y / presenter.nose_length).clamp(0.0, 1.0)
    x = (part.x - center_x - (root_x - center_x) * rise) / turned
    dark, deep = scaled(presenter.skin, 0.80), scaled(presenter.skin, 0.52)
    light = mix(presenter.skin, (1.0, 0.93, 0.86), 0.35)
    away = -presenter.light_x
    side = 1.0 if away > 0 else -1.0
    part.paint(0.55 * glow(x - side * 0.55 * half, y + 0.05, 0.5 * half, 0.07), dark)
    part.paint(0.40 * glow(x, y + 0.045, 0.22 * half, 0.06), light)
    part.paint(0.55 * glow(x, y - 0.030, 0.9 * half, 0.014), dark)
    part.paint(0.45 * glow(x, y + 0.006, 0.32 * half, 0.013), light)
    s = x / half
    curve = 0.022 - 0.020 * s * s
    under = part.between(y, curve - 0.0035, curve + 0.0045) * part.inside(x.abs() - half)
    part.paint(0.55 * under, deep)
    for nostril in (-0.45, 0.45):
        part.paint(0.75 * glow(x - nostril * half, y - 0.015, 0.17 * half, 0.006), deep)


def paint_glasses(canvas: Canvas, presenter: Presenter, state: FaceState) -> None:
    """Round or square frames with a bridge and a faint reflection."""
    if presenter.glasses == "none":
        return
    radius, rim = presenter.glasses_size, 0.0065
    for side in (-1.0, 1.0):
        center_x, center_y, turned = state.place(
            presenter, side * 1.03 * presenter.eye_spacing, presenter.eye_y
        )
        part = _around(canvas, center_x, center_y + 0.005, 1.25 * radius, 1.15 * radius)
        x, y = (part.x - center_x) / turned, part.y - center_y - 0.005
        if presenter.glasses == "round":
            distance = ellipse(x, y, radius, radius)
        else:
            distance = box(x, y, 1.08 * radius, 0.78 * radius, 0.03)
        part.paint(0.10 * part.inside(distance), (1.0, 1.0, 1.0))
        part.paint(part.inside(distance.abs() - rim), presenter.glasses_color)
    center_x, center_y, turned = state.place(presenter, 0.0, presenter.eye_y, depth=1.1)
    inner = 1.03 * presenter.eye_spacing - radius * (1.0 if presenter.glasses == "round" else 1.08)
    part = _around(canvas, center_x, center_y, inner + 0.02, 0.04)
    x, y = (part.x - center_x) / turned, part.y - center_y
    bridge = part.between(y, 25.0 * x * x * inner - 0.012, 25.0 * x * x * inner)
    part.paint(bridge * part.inside(x.abs() - inner - 0.004), presenter.glasses_color)


def _around(canvas: Canvas, x: torch.Tensor, y: torch.Tensor, reach_x: float, reach_y: float) -> Canvas:
    """The part of the canvas within a reach of a moving center (f, 1, 1)."""
    (low_x, high_x), (low_y, high_y) = _range(x), _range(y)
    return canvas.part(low_x - reach_x, high_x + reach_x, low_y - reach_y, high_y + reach_y)


def _range(track: torch.Tensor) -> tuple[float, float]:
    low, high = torch.aminmax(track)
    return float(low), float(high)
