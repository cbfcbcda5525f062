"""A batch of frames to paint on: soft shapes in head coordinates, evaluated only where they can be seen.

Head coordinates: 1 is the shorter side of the picture, x right, y down, the origin is the center of the head.
Masks are box-filtered over one pixel, so a picture looks the same at every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..motion import Motion
from .presenter import Color, Presenter

PIVOT_Y = 0.30  # the head turns about this point, near the neck


@dataclass(frozen=True)
class Pose:
    """Per frame, float64 (f,): the head's origin in pixels, its rotation, and pixels per head unit."""

    column: np.ndarray
    row: np.ndarray
    cos: np.ndarray
    sin: np.ndarray
    zoom: np.ndarray

    def to_pixels(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Head coordinates (..., f) to pixel columns and rows (pixel centers are at + 0.5)."""
        column = self.column + self.zoom * (self.cos * x - self.sin * y)
        row = self.row + self.zoom * (self.sin * x + self.cos * y)
        return column, row


def head_pose(presenter: Presenter, motion: Motion, height: int, width: int) -> Pose:
    """Pose of the head in each frame of a picture of the given size."""
    unit = float(min(height, width))
    roll = motion.roll.cpu().double().numpy()
    zoom = unit * presenter.head_scale * (1.0 + motion.scale.cpu().double().numpy())
    cos, sin = np.cos(roll), np.sin(roll)
    x = presenter.head_x + motion.x.cpu().double().numpy()
    y = presenter.head_y + motion.y.cpu().double().numpy()
    pivot = PIVOT_Y * presenter.head_scale * unit
    return Pose(
        column=width / 2 + unit * x + zoom * sin * PIVOT_Y,
        row=height / 2 + unit * y + pivot - zoom * cos * PIVOT_Y,
        cos=cos,
        sin=sin,
        zoom=zoom,
    )


@dataclass(frozen=True)
class Canvas:
    """Part of f frames: rgb (f, 3, h, w) is painted in place.

    x, y: (f, h, w) head coordinates of the pixels; pixel: (f, 1, 1) a pixel's size in head units. left, top:
    start of the part in the whole frame, pixels.
    """

    rgb: Tensor
    x: Tensor
    y: Tensor
    pixel: Tensor
    pose: Pose
    left: int = 0
    top: int = 0

    def part(self, left: float, right: float, top: float, bottom: float) -> Canvas:
        """The pixels that a box in head coordinates can touch in any of the frames."""
        corner_x = np.array([left, right, left, right])[:, None]
        corner_y = np.array([top, top, bottom, bottom])[:, None]
        columns, rows = self.pose.to_pixels(corner_x, corner_y)
        height, width = self.x.shape[1:]
        x0, x1 = _inside(columns.min() - self.left - 1, columns.max() - self.left + 1, width)
        y0, y1 = _inside(rows.min() - self.top - 1, rows.max() - self.top + 1, height)
        window = (..., slice(y0, y1), slice(x0, x1))
        return Canvas(
            rgb=self.rgb[window],
            x=self.x[window],
            y=self.y[window],
            pixel=self.pixel,
            pose=self.pose,
            left=self.left + x0,
            top=self.top + y0,
        )

    def color(self, color: Color) -> Tensor:
        """A color as a (3, 1, 1) tensor on the canvas's device."""
        return self.rgb.new_tensor(color)[:, None, None]

    def paint(self, mask: Tensor, color: Color | Tensor, shade: Tensor | None = None) -> None:
        """Paint with mask (f, h, w) a color, (3, 1, 1) or (f, 3, h, w), times a shade (f, h, w)."""
        paint = color if isinstance(color, Tensor) else self.color(color)
        if shade is not None:
            paint = paint * shade.unsqueeze(1)
        self.rgb.lerp_(paint, mask.unsqueeze(1))

    def inside(self, distance: Tensor) -> Tensor:
        """Coverage of a shape from its signed distance (negative inside)."""
        return (0.5 - distance / self.pixel).clamp_(0.0, 1.0)

    def between(self, y: Tensor, top: Tensor, bottom: Tensor, slope: Tensor | None = None) -> Tensor:
        """Coverage of top <= y <= bottom, proportional to the height of a gap even below one pixel.

        slope: steepness of the two edges along x, to keep steep edges soft.
        """
        pixel = self.pixel if slope is None else self.pixel * torch.sqrt(1.0 + slope * slope)
        lower = (0.5 + (bottom - y) / pixel).clamp_(0.0, 1.0)
        upper = (0.5 + (top - y) / pixel).clamp_(0.0, 1.0)
        return (lower - upper).clamp_(min=0.0)


def make_canvas(rgb: Tensor, pose: Pose) -> Canvas:
    """A canvas over whole frames rgb (f, 3, H, W)."""
    height, width = rgb.shape[2:]
    column, row, cos, sin, zoom = torch.from_numpy(
        np.stack([pose.column, pose.row, pose.cos, pose.sin, pose.zoom])
    ).to(rgb)[:, :, None, None]
    dx = (torch.arange(width, device=rgb.device).to(rgb) + 0.5 - column) / zoom
    dy = (torch.arange(height, device=rgb.device).to(rgb)[:, None] + 0.5 - row) / zoom
    return Canvas(rgb=rgb, x=cos * dx + sin * dy, y=cos * dy - sin * dx, pixel=1.0 / zoom, pose=pose)


def ellipse(x: Tensor, y: Tensor, rx: float | Tensor, ry: float | Tensor) -> Tensor:
    """Approximate signed distance to an axis-aligned ellipse around the origin."""
    u, v = x / rx, y / ry
    k0 = torch.sqrt(u * u + v * v)
    k1 = torch.sqrt((u / rx) ** 2 + (v / ry) ** 2)
    return k0 * (k0 - 1.0) / (k1 + 1e-6)


def box(x: Tensor, y: Tensor, rx: float, ry: float, corner: float) -> Tensor:
    """Signed distance to a rectangle with rounded corners around the origin."""
    qx, qy = x.abs() - (rx - corner), y.abs() - (ry - corner)
    outside = torch.sqrt(qx.clamp(min=0.0) ** 2 + qy.clamp(min=0.0) ** 2)
    return outside + torch.maximum(qx, qy).clamp(max=0.0) - corner


def glow(x: Tensor, y: Tensor, rx: float | Tensor, ry: float | Tensor) -> Tensor:
    """A soft round spot around the origin: 1 at the center, 0 beyond two radii."""
    u, v = x / (2.0 * rx), y / (2.0 * ry)
    return (1.0 - (u * u + v * v)).clamp_(min=0.0) ** 2


def egg(
    x: Tensor,
    y: Tensor,
    half_width: float,
    top: float,
    bottom: float,
    square_top: float,
    square_bottom: float,
) -> tuple[Tensor, Tensor]:
    """Head-like outline: widest at y = 0, `top` high and `bottom` deep; square > 0 is boxy, < 0 pointed.

    Returns the approximate signed distance and the level: 0 at the center, 1 on the outline (squared radius).
    """
    below = y > 0
    height = torch.where(below, bottom, top)
    square = torch.where(below, square_bottom, square_top)
    t = y / height
    spread = (1.0 + square * (t * t)) * half_width
    u = x / spread
    level = u * u + t * t
    gradient_x = u / spread
    gradient_y = t * (1.0 - 2.0 * square * half_width * u * u / spread) / height
    slope = torch.sqrt(gradient_x * gradient_x + gradient_y * gradient_y)
    return (level - 1.0) / (2.0 * slope + 1e-4), level


def _inside(low: float, high: float, size: int) -> tuple[int, int]:
    start = min(max(math.floor(low), 0), size)
    return start, min(max(math.ceil(high), start), size)
