"""Places of the parts of a face in an aligned crop, from the 478 points of a face mesh.

Lengths are shares of the crop's side; x points right, y down, the origin is the upper left corner. Point
numbers are those of the MediaPipe face mesh with refined eyes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

POINTS = 478
INNER_LIPS = (13, 14)  # their middles, upper and lower

# From the picture's left to its right.
_UPPER_INNER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_LOWER_INNER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_LEFT_EYE = ((33, 133), (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155))
_RIGHT_EYE = ((362, 263), (398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249))
_PUPILS = (468, 473)
_BROWS = (70, 63, 105, 66, 107), (336, 296, 334, 293, 300)
_IRISES = (469, 470, 471, 472), (474, 475, 476, 477)
_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
    149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_NOSE_BASE, _CHIN = 2, 152
_AROUND_EYES = (230, 450, 27, 257)  # below and above each
_SKIN = (50, 280, 205, 425, 151)  # cheeks and forehead


@dataclass(frozen=True)
class Axes:
    """A frame of reference: (u, v) = ((p - origin) . right, (p - origin) . down) / half.

    Attributes:
        origin, right, down: (2,); right and down are unit vectors.
        half: length of one unit.
    """

    origin: Tensor
    right: Tensor
    down: Tensor
    half: float

    def coordinates(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(..., 2) -> u and v, (...) each."""
        x, y = (points - self.origin).unbind(-1)  # no matrix product, whose bits depend on where memory lies
        u, v = (x * axis[0] + y * axis[1] for axis in (self.right, self.down))
        return u / self.half, v / self.half

    def vector(self, u: Tensor, v: Tensor) -> Tensor:
        """Displacements along both axes, in units of ``half`` -> (..., 2)."""
        return self.half * (u[..., None] * self.right + v[..., None] * self.down)


@dataclass(frozen=True)
class Mouth:
    """Curves are polynomials in u, coefficients (n,) from the constant on; lengths in units of ``axes.half``.

    Attributes:
        axes: origin between the inner corners of the lips, one unit is half their distance.
        upper, lower: inner edges of the lips.
        gap: their distance in the middle, 0 if the lips meet.
        upper_lip, lower_lip: thickness of the lips in the middle.
        nose, chin: distance of the nose's base and of the chin from the origin.
    """

    axes: Axes
    upper: Tensor
    lower: Tensor
    gap: float
    upper_lip: float
    lower_lip: float
    nose: float
    chin: float


@dataclass(frozen=True)
class Eye:
    """Curves and lengths as of :class:`Mouth`, one unit is half the distance of the eye's corners.

    Attributes:
        axes: origin between the corners.
        upper, lower: edges of the lids.
        height: of the opening.
        brow: distance of the brow from the upper lid.
        iris: (2,) coordinates of its center; iris_radius: its radius.
        brow_place: (2,) center of the brow, in the crop.
    """

    axes: Axes
    upper: Tensor
    lower: Tensor
    height: float
    brow: float
    iris: Tensor
    iris_radius: float
    brow_place: Tensor


@dataclass(frozen=True)
class Anatomy:
    """A face in its crop.

    Attributes:
        mouth, eyes: their geometry; the eye on the picture's left first.
        eye_distance: distance of the centers of the eyes.
        center: (2,) middle of the face's outline.
        reach: (2,) half extents of the outline.
        points: (468, 2); depth: (468,) towards the camera, 0 at the outline's mean.
        skin: (5, 2) places of bare skin; around_eyes: (4, 2), below and above the eyes.
    """

    mouth: Mouth
    eyes: tuple[Eye, Eye]
    eye_distance: float
    center: Tensor
    reach: Tensor
    points: Tensor
    depth: Tensor
    skin: Tensor
    around_eyes: Tensor


def anatomy(landmarks: Tensor) -> Anatomy:
    """Measure (478, 3) points of an aligned crop."""
    flat, depth = landmarks[:, :2], -landmarks[:, 2]
    oval = flat[list(_OVAL)]
    low, high = oval.amin(0), oval.amax(0)
    left, right = (_eye(flat, side) for side in range(2))
    return Anatomy(
        mouth=_mouth(flat),
        eyes=(left, right),
        eye_distance=float((left.axes.origin - right.axes.origin).norm()),
        center=(low + high) / 2,
        reach=(high - low) / 2,
        points=flat[:468],
        depth=depth[:468] - depth[list(_OVAL)].mean(),
        skin=flat[list(_SKIN)],
        around_eyes=flat[list(_AROUND_EYES)],
    )


def eyes_and_mouth(landmarks: Tensor) -> Tensor:
    """Centers of both eyes, the picture's left one first, and of the mouth: (478, 2 or more) -> (3, 2)."""
    flat = landmarks[:, :2]
    corners = (_LEFT_EYE[0], _RIGHT_EYE[0], (61, 291))
    return torch.stack([flat[list(pair)].mean(0) for pair in corners])


def curve(coefficients: Tensor, u: Tensor) -> Tensor:
    """A polynomial at u; beyond +-1.2 it is constant."""
    u = u.clamp(-1.2, 1.2)
    value = torch.zeros_like(u)
    for c in coefficients.flip(0):
        value = value * u + c
    return value


def _mouth(flat: Tensor) -> Mouth:
    upper, lower = flat[list(_UPPER_INNER_LIP)], flat[list(_LOWER_INNER_LIP)]
    axes = _axes(upper[0], upper[-1])
    above, below = (_fit(axes, points, 4) for points in (upper, lower))
    gap = float(below[0] - above[0])
    outer_top, outer_bottom = (axes.coordinates(flat[i])[1] for i in (0, 17))
    return Mouth(
        axes=axes,
        upper=above,
        lower=below,
        gap=max(0.0, gap),
        upper_lip=float(above[0] - outer_top),
        lower_lip=float(outer_bottom - below[0]),
        nose=float(-axes.coordinates(flat[_NOSE_BASE])[1]),
        chin=float(axes.coordinates(flat[_CHIN])[1]),
    )


def _eye(flat: Tensor, side: int) -> Eye:
    (first, last), upper, lower = (_LEFT_EYE, _RIGHT_EYE)[side]
    brow, iris, pupil = _BROWS[side], _IRISES[side], _PUPILS[side]
    axes = _axes(flat[first], flat[last])
    ends = (first, last)
    above = _fit(axes, flat[[ends[0], *upper, ends[1]]], 4)
    below = _fit(axes, flat[[ends[0], *lower, ends[1]]], 4)
    brows = flat[list(brow)]
    return Eye(
        axes=axes,
        upper=above,
        lower=below,
        height=max(0.05, float(below[0] - above[0])),
        brow=float(above[0] - axes.coordinates(brows)[1].mean()),
        iris=torch.stack(axes.coordinates(flat[pupil])),
        iris_radius=float((flat[list(iris)] - flat[pupil]).norm(dim=1).mean() / axes.half),
        brow_place=brows.mean(0),
    )


def _axes(first: Tensor, last: Tensor) -> Axes:
    across = last - first
    length = across.norm()
    right = across / length
    return Axes((first + last) / 2, right, torch.stack([-right[1], right[0]]), float(length / 2))


def _fit(axes: Axes, points: Tensor, degree: int) -> Tensor:
    """The polynomial of ``degree`` that best fits (N, 2) points and is 0 at the corners, u = -1 and 1."""
    u, v = axes.coordinates(points)
    # v = (1 - u^2) q(u)
    arch = 1 - u.square()
    basis = torch.stack([arch * u**power for power in range(degree - 1)], dim=1)
    q = torch.linalg.lstsq(basis, v[:, None]).solution[:, 0]
    coefficients = torch.zeros(degree + 1)
    coefficients[: degree - 1] += q
    coefficients[2:] -= q
    return coefficients
