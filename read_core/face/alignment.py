"""Alignment: an upright crop of the picture with the face in a fixed place.

Coordinates in a picture are continuous: x to the right, y down, in pixels; the center of pixel (0, 0) is
(0.5, 0.5). Coordinates in a crop are fractions of its width and height.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_MARGIN = 4  # pixels kept around a crop, for the filters


@dataclass(frozen=True)
class FaceLayout:
    """The place of the face in an aligned crop, in fractions of the side of the frame's middle square.

    Attributes:
        eye_distance: distance of the centers of both eyes, which are level, left and right of the middle.
        eyes: height of the eyes, from the top.
        mouth: height of the center of the mouth, from the top.
    """

    eye_distance: float = 0.28
    eyes: float = 0.36
    mouth: float = 0.66

    def __post_init__(self) -> None:
        if not (0 < self.eye_distance < 1 and 0 < self.eyes < self.mouth < 1):
            raise InputError(
                f"the face's layout is {self.to_dict()}; expected fractions with eyes above mouth"
            )

    def to_dict(self) -> dict[str, float]:
        """The form stored in a checkpoint's card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> FaceLayout:
        """The inverse of :meth:`to_dict`.

        Raises:
            InputError: an entry is unknown, missing or not a number.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != names:
            raise InputError(f"face is {values!r}; expected {', '.join(sorted(names))}")
        wrong = [name for name, v in values.items() if isinstance(v, bool) or not isinstance(v, int | float)]
        if wrong:
            raise InputError(f"face has {wrong[0]} {values[wrong[0]]!r}; expected a number")
        return cls(**{name: float(value) for name, value in values.items()})

    def points(self, size: tuple[int, int]) -> Tensor:
        """Left eye, right eye and mouth as fractions of width and height of a frame (h, w): (3, 2)."""
        import torch

        height, width = size
        side = min(height, width)
        x, top = width / 2, (height - side) / 2
        reach = self.eye_distance * side / 2
        eyes, mouth = top + self.eyes * side, top + self.mouth * side
        pixels = [(x - reach, eyes), (x + reach, eyes), (x, mouth)]
        return torch.tensor([(a / width, b / height) for a, b in pixels])


@dataclass(frozen=True)
class FaceCrop:
    """A rectangle in the original picture. It may be turned and reach beyond the picture.

    Attributes:
        x, y: its center, in pixels of the original.
        width, height: size in pixels of the original.
        roll: rotation in radians, clockwise positive.
    """

    x: float
    y: float
    width: float
    height: float
    roll: float = 0.0

    def __post_init__(self) -> None:
        values = asdict(self).values()
        if not all(map(math.isfinite, values)) or min(self.width, self.height) <= 0:
            raise InputError(f"the crop is {asdict(self)}; expected finite numbers and a size above 0")

    @classmethod
    def of_box(cls, box: tuple[int, int, int, int]) -> FaceCrop:
        """The upright crop of a box (left, top, right, bottom)."""
        left, top, right, bottom = box
        return cls((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the upright box around the crop, in whole pixels."""
        import torch

        corners = self.to_original(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        (left, top), (right, bottom) = corners.amin(0).tolist(), corners.amax(0).tolist()
        return round(left), round(top), round(right), round(bottom)

    def scaled(self, across: float, down: float) -> FaceCrop:
        """The crop in the picture resized by these factors; for a turned crop they must be nearly equal."""
        return FaceCrop(self.x * across, self.y * down, self.width * across, self.height * down, self.roll)

    def to_original(self, points: Tensor) -> Tensor:
        """Points in the crop (..., 2), as fractions of its width and height -> pixels of the original."""
        offsets = (points - 0.5) * points.new_tensor([self.width, self.height])
        return _turned(offsets, self.roll) + points.new_tensor([self.x, self.y])

    def to_crop(self, points: Tensor) -> Tensor:
        """Points in the original (..., 2), in pixels -> fractions of the crop's width and height."""
        offsets = _turned(points - points.new_tensor([self.x, self.y]), -self.roll)
        return offsets / points.new_tensor([self.width, self.height]) + 0.5


def upright_order(points: Tensor) -> Tensor:
    """Order points (3, 2) so that the first eye is the left one when the face is upright.

    In a picture of an upside-down face this is the eye on the right.
    """
    (across, down) = points[1] - points[0], points[2] - points[:2].mean(0)
    mirrored = bool(across[0] * down[1] < across[1] * down[0])
    return points[[1, 0, 2]] if mirrored else points


def face_crop(points: Tensor, size: tuple[int, int], layout: FaceLayout | None = None) -> FaceCrop:
    """The crop that puts a face into its place in the layout: least-squares similarity from three points.

    Args:
        points: (3, 2), pixels of the original: both eyes in any order, the mouth.
        size: (height, width) of the frame; it gives the crop's shape.
        layout: place of the face; None: the default layout.

    Raises:
        InputError: the points are not (3, 2), not finite, or all in one place.
    """
    if points.shape != (3, 2) or not bool(points.isfinite().all()):
        raise InputError(f"the face's points are {points.tolist()}; expected three finite (x, y)")
    height, width = size
    target = (layout or FaceLayout()).points(size).double()
    target = target * target.new_tensor([width, height])
    found = upright_order(points).double().cpu()
    a, b = target - target.mean(0), found - found.mean(0)
    # found = scale * rotation(roll) * target + shift, as complex numbers: one quotient of sums.
    along = float((a * b).sum())
    across = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum())
    scale, roll = math.hypot(along, across) / float(a.square().sum()), math.atan2(across, along)
    if scale <= 0:
        raise InputError("the face's points are all in one place; expected two eyes and a mouth")
    middle = target.new_tensor([width / 2, height / 2]) - target.mean(0)
    x, y = (found.mean(0) + scale * _turned(middle, roll)).tolist()
    return FaceCrop(x, y, scale * width, scale * height, roll)


def cut_face(image: Tensor, crop: FaceCrop, size: tuple[int, int]) -> Tensor:
    """Cut a crop out of a picture and resize it, antialiased.

    Args:
        image: (H, W, 3) float, 0..1.
        crop: the crop; outside the picture its border is repeated.
        size: (height, width) of the result.

    Returns:
        (height, width, 3) float32, 0..1.
    """
    import torch

    from ..pictures import antialiased, sampled

    height, width = size
    part, crop = _around(image.float(), crop)
    # Shrink to at most twice the size, then sample single points at twice the size.
    batch = part.permute(2, 0, 1)[None]
    h, w = part.shape[:2]
    down, across = (max(1.0, n / m / 2) for n, m in ((crop.height, height), (crop.width, width)))
    if max(down, across) > 1:
        smaller = max(1, round(h / down)), max(1, round(w / across))
        batch = antialiased(batch, smaller)
        crop = crop.scaled(smaller[1] / w, smaller[0] / h)
    fine = 2 if max(crop.width / width, crop.height / height) > 1 else 1
    y, x = ((torch.arange(fine * n) + 0.5) / (fine * n) for n in (height, width))
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).to(batch.device)
    grid = crop.to_original(places) / places.new_tensor([batch.shape[3], batch.shape[2]]) * 2 - 1
    found = sampled(batch, grid[None], "bicubic")
    if fine > 1:
        found = antialiased(found, (height, width))
    return found[0].permute(1, 2, 0).clamp(0, 1).contiguous()


def _around(image: Tensor, crop: FaceCrop) -> tuple[Tensor, FaceCrop]:
    """The part of a picture that a crop needs, at least one pixel, and the crop in that part."""
    left, top, right, bottom = crop.box
    height, width = image.shape[:2]
    left, top = (min(max(0, low - _MARGIN), n - 1) for low, n in ((left, width), (top, height)))
    right, bottom = (
        max(low + 1, min(n, high + _MARGIN)) for low, high, n in ((left, right, width), (top, bottom, height))
    )
    return image[top:bottom, left:right], replace(crop, x=crop.x - left, y=crop.y - top)


def _turned(offsets: Tensor, angle: float) -> Tensor:
    """Vectors (..., 2) turned clockwise (y points down)."""
    import torch

    x, y = offsets.unbind(-1)
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)
