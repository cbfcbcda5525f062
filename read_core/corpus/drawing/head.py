"""Draw the large shapes from back to front: background, shoulders, neck, hair, ears, face and beard."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from .canvas import Canvas, egg, ellipse, glow
from .presenter import Presenter, luminance, mix, scaled
from .state import FaceState

FACE_MIDDLE = -0.02  # height of the face's widest place


def paint_background(rgb: Tensor, presenter: Presenter) -> None:
    """Fill rgb (3, H, W) with the presenter's still background; all patterns are soft and large."""
    height, width = rgb.shape[1:]
    unit = min(height, width)
    x = ((torch.arange(width) + 0.5 - width / 2) / unit).to(rgb)[None, :]
    y = ((torch.arange(height) + 0.5 - height / 2) / unit).to(rgb)[:, None]
    first, second = (rgb.new_tensor(c)[:, None, None] for c in presenter.background_colors)
    kind = presenter.background
    rng = random.Random(presenter.background_seed)
    if kind == "gradient":
        angle = rng.uniform(-1.0, 1.0)
        weight = (0.5 + 0.7 * (y + angle * x)).clamp(0.0, 1.0)
    elif kind == "glow":
        weight = 1.0 - glow(x - rng.uniform(-0.2, 0.2), y + 0.1, 0.45, 0.45)
    elif kind == "blobs":
        weight = torch.zeros_like(x + y)
        for _ in range(3):
            place_x, place_y = rng.choice((-1, 1)) * rng.uniform(0.3, 0.5), rng.uniform(-0.5, 0.3)
            radius = rng.uniform(0.07, 0.14)
            weight = torch.maximum(weight, 0.8 * glow(x - place_x, y - place_y, radius, radius))
    elif kind == "stripes":
        waves = rng.uniform(12.0, 20.0) * (x + rng.uniform(-0.5, 0.5) * y) + rng.uniform(0.0, 6.0)
        weight = 0.35 * (0.5 + 0.5 * torch.tanh(2.5 * torch.sin(waves)))
    else:
        weight = torch.zeros_like(x + y)
    rgb.copy_(torch.lerp(first, second, weight))


def paint_body(canvas: Canvas, presenter: Presenter) -> None:
    """Neck, shoulders and collar; they follow the head only a little."""
    part = canvas.part(-0.9, 0.9, 0.2, 0.9)
    x, y = part.x, part.y
    neck = 0.56 * presenter.face_width
    top = presenter.shoulder_y
    flare = neck + 2.2 * (y - top + 0.06).clamp(min=0.0) ** 2
    shade = 0.74 + 0.10 * (presenter.light * presenter.light_x / neck) * x - 0.5 * (0.48 - y).clamp(0.0, 0.16)
    scarf = presenter.hair.style == "headscarf"
    covering = scaled(presenter.hair.color, 1.15) if scarf else presenter.skin
    part.paint(part.inside(x.abs() - flare), part.color(covering), shade)

    slope = (x.abs() - 0.62 * neck).clamp(min=0.0)
    depth = {"round": 0.10, "v": 0.16, "shirt": 0.12, "high": -0.03}[presenter.collar]
    dip = (1.0 - x.abs() / neck).clamp(min=0.0)
    neckline = top + 0.20 * slope + depth * (dip if presenter.collar in ("v", "shirt") else dip.sqrt())
    cloth = part.inside(0.95 * (neckline - y))
    part.paint(cloth, part.color(presenter.clothes), 1.0 - 0.9 * (0.5 - y).clamp(-0.2, 0.1) * presenter.light)
    width = 0.03 if presenter.collar == "high" else 0.017
    trim = part.between(y, neckline, neckline + width)
    part.paint(trim * part.inside(x.abs() - 1.15 * neck), presenter.clothes_accent)


def paint_hair_back(canvas: Canvas, presenter: Presenter) -> None:
    """The hair, bun or scarf behind the head."""
    hair = presenter.hair
    color = scaled(hair.color, 0.95 if hair.style in ("afro", "headscarf") else 0.82)
    if hair.style == "bun":
        part = canvas.part(-0.16, 0.16, -0.62, -0.3)
        part.paint(part.inside(ellipse(part.x, part.y + 0.43, 0.11, 0.095)), scaled(hair.color, 0.9))
    if hair.back_width == 0.0:
        return
    reach = hair.back_width + 0.04
    part = canvas.part(-reach, reach, -0.62, hair.back_bottom + 0.05)
    y = part.y - FACE_MIDDLE
    top = presenter.face_top + (1.0 if hair.style == "afro" else 0.6) * hair.top
    square = 0.6 if hair.style in ("bob", "long", "headscarf") else 0.0
    square_top = 0.05
    if hair.style == "balding":
        top, square_top = 0.30, 0.8
    distance, _ = egg(part.x, y, hair.back_width, top, hair.back_bottom - FACE_MIDDLE, square_top, square)
    part.paint(part.inside(_wavy(part, distance, hair.bumps)), color)


def paint_ears(canvas: Canvas, presenter: Presenter, state: FaceState) -> None:
    """Two ears at the sides of the face, which slide against the turn of the head."""
    if presenter.hair.style in ("headscarf", "bob", "long", "afro"):
        return
    size = presenter.ear_size
    for side in (-1.0, 1.0):
        place = side * (presenter.face_width + 0.008)
        part = canvas.part(place - 0.09, place + 0.09, -0.17, 0.15)
        x = part.x - place + 0.06 * torch.sin(state.yaw)
        y = part.y + 0.03 - 0.12 * torch.sin(state.pitch)
        part.paint(part.inside(ellipse(x, y, 0.036 * size, 0.072 * size)), scaled(presenter.skin, 0.92))
        part.paint(0.6 * glow(x, y + 0.005, 0.012 * size, 0.028 * size), scaled(presenter.skin, 0.68))
        if presenter.earrings:
            stud = ellipse(x, y - 0.075 * size, 0.015, 0.015)
            part.paint(part.inside(stud), (0.92, 0.80, 0.48))


def paint_face(canvas: Canvas, presenter: Presenter, state: FaceState) -> tuple[Canvas, Tensor, Tensor]:
    """The face with its shading and blush; the jaw below the mouth follows the opening.

    Returns the painted part, the jaw-following y and the face's signed distance there, for hair and beard.
    """
    width = presenter.face_width
    part = canvas.part(-width - 0.03, width + 0.03, -presenter.face_top - 0.05, 0.56)
    x = part.x
    drop = state.jaw_drop(presenter)
    along = ((part.y - presenter.mouth_y) / (presenter.chin - presenter.mouth_y)).clamp(0.0, 1.3)
    y = part.y - drop * along
    distance, level = egg(
        x, y - FACE_MIDDLE, width, presenter.face_top, presenter.chin - FACE_MIDDLE, 0.12, presenter.jaw
    )
    mask = part.inside(distance)
    light = presenter.light
    shade = 1.02 - 0.10 * light * (level * level).clamp(max=1.2)
    shade = shade + (0.16 * light * presenter.light_x) * x - 0.10 * light * part.y
    part.paint(mask, part.color(presenter.skin), shade)

    forehead = part.inside(distance) * glow(x - 0.05 * presenter.light_x, part.y + 0.24, 0.13, 0.07)
    part.paint(0.14 * light * forehead, mix(presenter.skin, (1.0, 0.97, 0.93), 0.7))
    cheek = mix(presenter.skin, (0.86, 0.32, 0.30), 0.55)
    for side in (-1.0, 1.0):
        center_x, center_y, _ = state.place(presenter, side * 0.60 * width, 0.075)
        spot = canvas.part(side * 0.62 * width - 0.24, side * 0.62 * width + 0.24, -0.12, 0.27)
        blush = glow(spot.x - center_x, spot.y - center_y, 0.072, 0.055)
        spot.paint(presenter.blush * blush, cheek)
    return part, y, distance


def paint_hair_front(canvas: Canvas, presenter: Presenter, state: FaceState) -> None:
    """The hair, hat or scarf over the forehead and in front of the ears."""
    hair = presenter.hair
    if hair.style in ("bald", "balding"):
        return
    width = presenter.face_width + hair.side
    reach = width + 0.05
    part = canvas.part(-reach, reach, -0.65, min(hair.side_length, 0.6) + 0.04)
    shift = state.place(presenter, 0.0, 0.0)[0]
    x = part.x - 0.35 * shift
    y = part.y - 0.12 * torch.sin(state.pitch)
    distance, level = egg(part.x, part.y - FACE_MIDDLE, width, presenter.face_top + hair.top, 0.62, 0.14, 0.3)
    if hair.style in ("parted", "quiff"):  # volume on one side
        lift = 0.035 if hair.style == "quiff" else 0.022
        distance = distance - lift * glow(part.x + 0.9 * hair.part, part.y + presenter.face_top, 0.14, 0.16)
    outer = part.inside(_wavy(part, distance, hair.bumps))
    u = x / presenter.face_width
    u2 = u * u
    u7 = u2 * u2 * u2 * u
    line = hair.line + hair.curve * (x - hair.part) ** 2 + 0.40 * u7 * u
    slope = 2.0 * hair.curve * (x - hair.part) + (3.2 / presenter.face_width) * u7
    falling = line < hair.side_length
    line = line.clamp(max=hair.side_length)
    steep = torch.sqrt(1.0 + slope * slope * falling)
    under = part.inside((y - line) / steep)
    shadow = part.inside((y - line - 0.022) / steep) * part.inside(distance + hair.side + 0.01)
    part.paint(0.30 * shadow, scaled(presenter.skin, 0.55))
    shine = (part.y + presenter.face_top + hair.top - 0.13 - 0.7 * part.x * part.x) / 0.06
    shade = (
        1.06
        - 0.16 * level.clamp(max=1.2)
        + hair.sheen * 2.2 * (1.2 - luminance(hair.color)) * (1.0 - shine * shine).clamp(min=0.0) ** 2
    )
    part.paint(outer * under, part.color(hair.color), shade)
    if hair.style == "beanie":
        band = part.between(y, line - 0.085, line) * outer * part.inside(x.abs() - width)
        part.paint(0.8 * band, scaled(hair.color, 0.72))


def _wavy(part: Canvas, distance: Tensor, bumps: float) -> Tensor:
    """Displace an outline by large soft waves (curls)."""
    if bumps == 0.0:
        return distance
    return distance + bumps * torch.sin(46.0 * part.x + 1.0) * torch.sin(46.0 * part.y)
