"""Pictures to train and test the face finder: faces pasted on backgrounds, degraded in many ways."""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from .material import Portrait, box_of
from .occlusion import color, faceless, hidden, shuffled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VISIBLE = 0.6  # share of a face's box that must be inside the picture


@dataclass(frozen=True)
class Scene:
    """pixels (H, W, 3) uint8; per face the box (n, 4), points (n, 3, 2), and if it counts (n,) bool."""

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    points: NDArray[np.float64]
    sure: NDArray[np.bool_]

    def mirrored(self) -> Scene:
        """The mirrored scene."""
        width = self.pixels.shape[1]
        boxes = np.stack(
            [width - self.boxes[:, 2], self.boxes[:, 1], width - self.boxes[:, 0], self.boxes[:, 3]], 1
        )
        points = self.points[:, [1, 0, 2]] * [-1, 1] + [width, 0]
        return Scene(np.ascontiguousarray(self.pixels[:, ::-1]), boxes, points, self.sure)


@dataclass(frozen=True)
class SceneSettings:
    """Distribution of the scenes.

    Attributes:
        smallest, largest: a face's height as a share of the picture's shorter side.
        roll: largest usual rotation in degrees.
        turned: share of faces rotated by any angle.
        clean: share of pictures without noise, blur, color changes or JPEG.
        empty: share of pictures without a face.
        several: share of the others with two to four faces.
        cut: share of faces that may be cut by the border.
        hidden: share of faces partly hidden.
        whole: share of pictures that are one enlarged portrait without background.
        stretch: by how much a face is stretched and slanted.
        strange: share of the pasted objects that are portraits without a face or with a shuffled one.
    """

    smallest: float = 0.11
    largest: float = 0.95
    roll: float = 35.0
    turned: float = 0.08
    clean: float = 0.15
    empty: float = 0.2
    several: float = 0.3
    cut: float = 0.15
    hidden: float = 0.3
    whole: float = 0.25
    stretch: float = 0.05
    strange: float = 0.3


class SceneMaker:
    """Draw scenes from portraits and backgrounds; the same seed gives the same sequence.

    Args:
        portraits: faces to paste.
        backgrounds: pictures without faces; those with transparency are pasted as objects.
        settings: see :class:`SceneSettings`.
        seed: seed of everything.
    """

    def __init__(
        self,
        portraits: Sequence[Portrait],
        backgrounds: Sequence[Image.Image],
        settings: SceneSettings | None = None,
        seed: int = 0,
    ) -> None:
        self.portraits = portraits
        self.grounds = [picture for picture in backgrounds if picture.mode == "RGB"]
        self.objects = [picture for picture in backgrounds if picture.mode == "RGBA"]
        self.settings = settings or SceneSettings()
        self.rng = random.Random(seed)
        self.noise = np.random.default_rng(seed)

    def draw(self, height: int, width: int, count: int | None = None) -> Scene:
        """Draw one scene with ``count`` faces; default: a random number."""
        rng, settings = self.rng, self.settings
        if count is None:
            count = 0 if rng.random() < settings.empty else 1
            if count and rng.random() < settings.several:
                count = rng.randint(2, 4)
        canvas = self.ground(height, width)
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            self._paste_other(canvas)
        boxes: list[NDArray[np.float64]] = []
        points: list[NDArray[np.float64]] = []
        covered: list[float] = []
        whole = count == 1 and rng.random() < settings.whole
        for _ in range(count):
            for _ in range(8):
                portrait, matrix = self._placed(height, width, whole)
                box = box_of(_moved(portrait.outline, matrix))
                if all(_overlap(box, other) < 0.03 for other in boxes):
                    shown = self._paste_face(canvas, portrait, matrix, whole)
                    covered = [c + _share(shown, other) for c, other in zip(covered, boxes, strict=True)]
                    covered.append(0.0)
                    boxes.append(box)
                    points.append(_moved(portrait.points, matrix))
                    break
        pixels = np.array(canvas)
        if rng.random() >= settings.clean:
            pixels = self._spoiled(pixels)
        all_boxes = np.array(boxes).reshape(-1, 4)
        sure = _visible(all_boxes, height, width) & (np.array(covered) < 1 - VISIBLE)
        return Scene(pixels, all_boxes, np.array(points).reshape(-1, 3, 2), sure)

    def ground(self, height: int, width: int) -> Image.Image:
        """Draw a background: part of a picture, sometimes mirrored, or a plain color or noise."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.06:
            return Image.new("RGB", (width, height), color(rng))
        if kind < 0.12:
            cells = rng.choice((2, 4, 8, 16, 48))
            coarse = self.noise.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
            return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        picture = rng.choice(self.grounds)
        share = rng.uniform(0.25, 1.0)
        scale = share * min(picture.width / width, picture.height / height)
        w, h = scale * width, scale * height
        left, top = rng.uniform(0, picture.width - w), rng.uniform(0, picture.height - h)
        part = picture.resize((width, height), Image.Resampling.BILINEAR, (left, top, left + w, top + h), 2.0)
        if rng.random() < 0.5:
            part = ImageOps.mirror(part)
        return ImageOps.flip(part) if rng.random() < 0.15 else part

    def _placed(self, height: int, width: int, whole: bool) -> tuple[Portrait, NDArray[np.float64]]:
        """A portrait and the matrix (2, 3) from its pixels to the scene's."""
        rng, settings = self.rng, self.settings
        portrait = rng.choice(self.portraits)
        side = min(height, width)
        low = max(settings.smallest, 0.4) if whole else settings.smallest
        share = math.exp(rng.uniform(math.log(low), math.log(settings.largest)))
        if whole:
            angle = rng.gauss(0, 5)
        elif rng.random() < settings.turned:
            angle = rng.choice((180.0, rng.uniform(-180, 180)))
        else:
            angle = rng.uniform(-settings.roll, settings.roll)
        box = box_of(portrait.outline)
        scale = share * side / (box[3] - box[1])
        stretch = math.exp(rng.gauss(0, settings.stretch))
        mirror = rng.choice((-1.0, 1.0))
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        shear = rng.gauss(0, settings.stretch)
        turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, shear], [0, 1]])
        linear = turn @ np.diag([mirror * scale * stretch, scale / stretch])
        if mirror < 0:
            portrait = replace(portrait, points=portrait.points[[1, 0, 2]])
        moved = box_of(portrait.outline @ linear.T)
        w, h = moved[2:] - moved[:2]
        slack = 0.35 if rng.random() < settings.cut else 0.0
        left, top = (
            rng.uniform(min(-slack * length, room), max(room + slack * length, 0.0))
            if room > 0
            else room / 2 + rng.uniform(-0.5, 0.5) * max(slack * length, 0.0)
            for length, room in ((w, width - w), (h, height - h))
        )
        shift = np.array([left, top]) - moved[:2]
        return portrait, np.hstack([linear, shift[:, None]])

    def _paste_face(
        self, canvas: Image.Image, portrait: Portrait, matrix: NDArray[np.float64], whole: bool
    ) -> Image.Image:
        picture = portrait.picture
        if self.rng.random() < self.settings.hidden:
            picture = hidden(portrait, self.objects, self.rng)
        return _paste(canvas, picture, None if whole else self._rim(portrait), matrix, self._light())

    def _paste_other(self, canvas: Image.Image) -> None:
        """Paste something that is not a face, with the same kinds of edges as faces."""
        rng = self.rng
        strange = rng.random() < self.settings.strange
        size = canvas.height * math.exp(rng.uniform(math.log(0.1), math.log(1.2)))
        angle = rng.uniform(-0.6, 0.6)
        mask: Image.Image | None
        if not strange and self.objects and rng.random() < 0.6:
            thing = rng.choice(self.objects)
            picture, mask = thing.convert("RGB"), thing.getchannel("A")
        else:
            portrait = rng.choice(self.portraits)
            if not strange:
                picture = self.ground(*portrait.picture.size[::-1])
            elif rng.random() < 0.5:
                picture = faceless(portrait, self.ground(*portrait.picture.size[::-1]), rng)
            else:
                picture = shuffled(portrait, rng)
            mask = self._rim(portrait)
            size *= 1.5
        scale = size / max(picture.size)
        linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        middle = linear @ np.array(picture.size) / 2
        place = np.array([rng.uniform(0, canvas.width), rng.uniform(0, canvas.height)])
        _paste(canvas, picture, mask, np.hstack([linear, (place - middle)[:, None]]), self._light())

    def _rim(self, portrait: Portrait) -> Image.Image | None:
        """Mask of the pasted part of a portrait: all, a rectangle, the head or the face; hard or soft."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.1:
            return None
        width, height = portrait.picture.size
        quarter = 4
        mask = Image.new("L", (width // quarter, height // quarter))
        draw = ImageDraw.Draw(mask)
        left, top, right, bottom = box_of(portrait.outline) / quarter
        x, y, w, h = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
        if kind < 0.4:
            grown = [rng.uniform(1.1, 2.1) for _ in range(4)]
            draw.rectangle((x - grown[0] * w, y - grown[1] * h, x + grown[2] * w, y + grown[3] * h), fill=255)
        elif kind < 0.85:
            wide, high = rng.uniform(1.15, 1.8) * w, rng.uniform(1.15, 1.6) * h
            draw.ellipse((x - wide, y - 1.1 * high, x + wide, y + high), fill=255)
            if rng.random() < 0.6:
                neck, chest = rng.uniform(0.6, 1.0) * w, rng.uniform(1.2, 2.5) * w
                end = mask.height
                draw.polygon([(x - neck, y), (x + neck, y), (x + chest, end), (x - chest, end)], fill=255)
        else:
            middle = np.array([x, y])
            outline = middle + rng.uniform(1.0, 1.2) * (portrait.outline / quarter - middle)
            draw.polygon([tuple(corner) for corner in outline], fill=255)
        soft = rng.choice((0.0, rng.uniform(0.3, 4.0)))
        if soft:
            mask = mask.filter(ImageFilter.GaussianBlur(soft))
        return mask.resize((width, height), Image.Resampling.BILINEAR)

    def _light(self) -> list[int]:
        """Random light and contrast: a table of 256 values per color."""
        rng = self.rng
        levels = 255 * np.linspace(0, 1, 256) ** math.exp(rng.gauss(0, 0.2))
        gains = rng.gauss(1, 0.12) + self.noise.uniform(-0.08, 0.08, (3, 1))
        table: list[int] = (levels * gains).clip(0, 255).astype(int).ravel().tolist()
        return table

    def _spoiled(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Degrade the picture: light from one side, colors, gray, blur, coarse pixels, noise, JPEG."""
        rng = self.rng
        height, width = pixels.shape[:2]
        if rng.random() < 0.6:
            values = pixels.astype(np.float32) / 255
            if rng.random() < 0.3:
                across = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
                down = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
                values *= 1 + rng.uniform(-0.5, 0.5) * across + rng.uniform(-0.4, 0.4) * down
            gray = values.mean(2, keepdims=True)
            values = gray + (values - gray) * (0.0 if rng.random() < 0.2 else rng.uniform(0.4, 1.5))
            values = 0.5 + (values - 0.5) * math.exp(rng.gauss(0, 0.25)) + rng.gauss(0, 0.08)
            values *= 1 + self.noise.uniform(-0.1, 0.1, (1, 1, 3)).astype(np.float32)
            if rng.random() < 0.5:
                grain = rng.uniform(0, 0.06)
                values += grain * self.noise.standard_normal(values.shape, dtype=np.float32)
            pixels = (values.clip(0, 1) * 255).astype(np.uint8)
        picture = Image.fromarray(pixels)
        if rng.random() < 0.2:
            picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6) * width / 192))
        if rng.random() < 0.1:
            share = rng.uniform(0.4, 0.9)
            small = picture.resize((int(share * width), int(share * height)), Image.Resampling.BILINEAR)
            picture = small.resize((width, height), Image.Resampling.BILINEAR)
        if rng.random() < 0.4:
            stream = io.BytesIO()
            picture.save(stream, "JPEG", quality=rng.randint(20, 95))
            picture = Image.open(stream)
        if rng.random() < 0.1:
            self._bars(picture)
        return np.array(picture)

    def _bars(self, picture: Image.Image) -> None:
        """Add gray strips on the right and below, as the finder pads."""
        draw = ImageDraw.Draw(picture)
        width, height = picture.size
        gray = (128, 128, 128)
        if self.rng.random() < 0.5:
            draw.rectangle((0, height - self.rng.randint(1, 28), width, height), fill=gray)
        else:
            draw.rectangle((width - self.rng.randint(1, 28), 0, width, height), fill=gray)


def _paste(
    canvas: Image.Image,
    picture: Image.Image,
    mask: Image.Image | None,
    matrix: NDArray[np.float64],
    light: list[int],
) -> Image.Image:
    """Paste a picture with its mask, transformed by a matrix (2, 3) from its pixels to the canvas's.

    Returns the transformed mask at the canvas's size.
    """
    whole = Image.new("L", canvas.size)
    linear, shift = matrix[:, :2], matrix[:, 2]
    scale = math.sqrt(abs(float(np.linalg.det(linear))))
    corners = np.array([(0, 0), (picture.width, 0), (picture.width, picture.height), (0, picture.height)])
    left, top, right, bottom = box_of(corners @ linear.T + shift)
    x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
    x1, y1 = min(canvas.width, math.ceil(right)), min(canvas.height, math.ceil(bottom))
    if x1 <= x0 or y1 <= y0:
        return whole
    mask = mask or Image.new("L", picture.size, 255)
    factor = max(1, int(1 / scale))
    picture, mask = picture.reduce(factor), mask.reduce(factor)
    inverse = np.linalg.inv(linear) / factor
    offset = inverse @ (np.array([x0, y0]) - shift)
    data = (inverse[0, 0], inverse[0, 1], offset[0], inverse[1, 0], inverse[1, 1], offset[1])
    size = (x1 - x0, y1 - y0)
    moved, shown = (
        layer.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
        for layer in (picture, mask)
    )
    canvas.paste(moved.point(light), (x0, y0), shown)
    whole.paste(shown, (x0, y0))
    return whole


def _moved(points: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _overlap(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Intersection of two boxes divided by the area of the smaller."""
    sides = np.minimum(one[2:], two[2:]) - np.maximum(one[:2], two[:2])
    smaller = min(np.prod(one[2:] - one[:2]), np.prod(two[2:] - two[:2]))
    return float(np.prod(sides.clip(min=0)) / smaller)


def _share(mask: Image.Image, box: NDArray[np.float64]) -> float:
    """Mean of a mask (0..1) in a box."""
    left, top, right, bottom = box.clip(0).astype(int)
    part = np.asarray(mask)[top : bottom + 1, left : right + 1]
    return float(part.mean()) / 255 if part.size else 0.0


def _visible(boxes: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    inside = boxes.clip(0, [width, height, width, height])
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    visible: NDArray[np.bool_] = np.prod(inside[:, 2:] - inside[:, :2], axis=1) >= VISIBLE * area
    return visible
