"""Training pictures for the face finder: partly hidden faces, and portraits without a face."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .material import Portrait, box_of

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from numpy.typing import NDArray


def hidden(portrait: Portrait, objects: Sequence[Image.Image], rng: random.Random) -> Image.Image:
    """The portrait with sunglasses, a hand, a bar or one of ``objects`` (RGBA) in front of the face."""
    picture = portrait.picture.copy()
    draw = ImageDraw.Draw(picture)
    eyes, mouth = portrait.points[:2], portrait.points[2]
    unit = float(np.linalg.norm(eyes[1] - eyes[0]))
    kind = rng.random()
    if kind < 0.3:
        _sunglasses(draw, eyes, unit, rng)
    elif kind < 0.55:
        at = eyes.mean(0) + np.array([0.0, 0.4 * unit])
        skin = np.asarray(picture)[int(at[1]), int(at[0])] * rng.uniform(0.7, 1.15)
        _hand(draw, mouth, unit, skin.clip(0, 255), rng)
    elif kind < 0.8 or not objects:
        middle = portrait.outline.mean(0) + unit * np.array([rng.gauss(0, 0.7), rng.gauss(0, 0.9)])
        angle, width = rng.uniform(0, math.pi), rng.uniform(0.16, 0.56) * unit
        along = 400 * np.array([math.cos(angle), math.sin(angle)])
        draw.line([tuple(middle - along), tuple(middle + along)], fill=color(rng), width=max(2, int(width)))
    else:
        thing = rng.choice(objects)
        scale = rng.uniform(0.6, 1.4) * unit / max(thing.size)
        thing = thing.resize((max(2, int(scale * thing.width)), max(2, int(scale * thing.height))))
        at = portrait.outline.mean(0) + unit * np.array([rng.gauss(0, 0.9), rng.gauss(0, 1.0)])
        picture.paste(thing, (int(at[0]) - thing.width // 2, int(at[1]) - thing.height // 2), thing)
    return picture


def faceless(portrait: Portrait, other: Image.Image, rng: random.Random) -> Image.Image:
    """The portrait's picture with the face replaced by skin or ``other``; hair, neck and clothes remain."""
    picture = portrait.picture.copy()
    left, top, right, bottom = (int(edge) for edge in box_of(portrait.outline))
    size = (right - left, bottom - top)
    if rng.random() < 0.5:
        third, eighth = size[0] // 3, size[1] // 8
        skin = picture.crop((left + third, top + eighth, right - third, top + 2 * eighth))
        filling = skin.resize(size, Image.Resampling.BILINEAR)
    else:
        filling = other.resize(size, Image.Resampling.BILINEAR)
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse((0, 0, *size), fill=255)
    picture.paste(filling, (left, top), mask.filter(ImageFilter.GaussianBlur(4)))
    return picture


def shuffled(portrait: Portrait, rng: random.Random) -> Image.Image:
    """The portrait's picture with the face cut into nine shuffled pieces."""
    picture = portrait.picture.copy()
    left, top, right, bottom = (int(edge) for edge in box_of(portrait.outline))
    w, h = (right - left) // 3, (bottom - top) // 3
    places = [(left + column * w, top + row * h) for row in range(3) for column in range(3)]
    pieces = [picture.crop((x, y, x + w, y + h)) for x, y in places]
    step = rng.randint(2, 7)
    for index, place in enumerate(places):
        picture.paste(pieces[(index * 2 + step) % 9], place)
    return picture


def color(rng: random.Random) -> tuple[int, int, int]:
    """A random color."""
    return rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255)


def _sunglasses(
    draw: ImageDraw.ImageDraw, eyes: NDArray[np.float64], unit: float, rng: random.Random
) -> None:
    dark = (rng.randint(0, 60), rng.randint(0, 60), rng.randint(0, 60))
    tint = dark if rng.random() < 0.8 else color(rng)
    wide, high = rng.uniform(0.34, 0.48) * unit, rng.uniform(0.22, 0.4) * unit
    shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
    for x, y in eyes:
        shape((x - wide, y - high, x + wide, y + high), fill=tint)
    draw.line([tuple(eyes[0]), tuple(eyes[1])], fill=tint, width=max(2, int(0.08 * unit)))


def _hand(
    draw: ImageDraw.ImageDraw,
    mouth: NDArray[np.float64],
    unit: float,
    skin: NDArray[np.float64],
    rng: random.Random,
) -> None:
    angle = rng.uniform(-0.7, 0.7)
    side = np.array([math.cos(angle), math.sin(angle)])
    down = np.array([-side[1], side[0]])
    palm = mouth + unit * (rng.uniform(-0.2, 0.2) * side + rng.uniform(0.1, 0.7) * down)
    reach = rng.choice((-1, 1)) * unit * side
    for finger in range(4):
        start = palm + (finger - 1.5) * 0.21 * unit * down
        ends = [tuple(start), tuple(start + rng.uniform(0.5, 0.9) * reach)]
        draw.line(ends, fill=_rgb(skin * (0.86 + 0.04 * finger)), width=max(2, int(0.19 * unit)))
    half = rng.uniform(0.3, 0.45) * unit
    draw.ellipse((palm[0] - half, palm[1] - half, palm[0] + half, palm[1] + half), fill=_rgb(skin))


def _rgb(values: NDArray[np.float64]) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
