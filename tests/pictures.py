"""Photographs of nobody made hard: turned, cut off, small, doubled, covered. Made when tests run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from read_core.corpus.motion import neutral_motion
from read_core.corpus.photo.anatomy import eyes_and_mouth
from read_core.corpus.photo.puppet import render_puppet
from read_core.corpus.photo.scene import PhotoScene, load_puppet
from read_core.corpus.photo.stills import Still, find_stills

OVAL_TOP, OVAL_BOTTOM = 10, 152
LEFT_EYE, RIGHT_EYE = (33, 133), (362, 263)
CHEEK = 50
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375)


@dataclass(frozen=True)
class Picture:
    """One file.

    Attributes:
        path: of the picture.
        faces: (N, 3, 2) pixels x, y: the eye at the picture's left, the other eye, the mouth's middle; they
            may lie outside the picture or be covered. The largest face first.
    """

    path: Path
    faces: Tensor


def make_pictures(folder: Path, photograph: Path, landmarks: Tensor, photographs: Path) -> dict[str, Picture]:
    """Write them as PNG files. ``landmarks``: (478, 3) of ``photograph``."""
    image = Image.open(photograph).convert("RGB")
    made = {}
    for name, changed, faces in _changed(image, landmarks, photograph, photographs):
        changed.save(folder / f"{name}.png")
        made[name] = Picture(folder / f"{name}.png", faces)
    return made


def _changed(
    image: Image.Image, landmarks: Tensor, photograph: Path, photographs: Path
) -> Iterator[tuple[str, Image.Image, Tensor]]:
    width, height = image.size
    points = eyes_and_mouth(landmarks)
    middle = points.mean(0)
    distance = float((points[1] - points[0]).norm())

    turned = torch.tensor([width, height]) - points
    yield "upside_down", image.rotate(180), turned[[1, 0, 2]][None]

    across = torch.stack([points[:, 1], width - points[:, 0]], dim=1)
    yield "sideways", image.rotate(90, expand=True), across[None]

    # the border runs through the nose
    left = round(float(middle[0]))
    yield "cut", image.crop((left, 0, width, height)), (points - torch.tensor([left, 0]))[None]

    # it runs between nose and mouth
    bottom = round(float(points[2, 1]) - 0.15 * distance)
    yield "cut_mouth", image.crop((0, 0, width, bottom)), points[None]

    face_height = float(landmarks[OVAL_BOTTOM, 1] - landmarks[OVAL_TOP, 1])
    scale = 20 / face_height
    small = image.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    far = _wall(image, 320, 240)
    far.paste(small, (200, 120))
    yield "tiny", far, (points * scale + torch.tensor([200.0, 120.0]))[None]

    other = find_stills(photographs, "validation")[0]
    second = Image.open(other.path).convert("RGB")
    both = _wall(image, width + second.width, height)
    both.paste(image, (second.width, 0))
    both.paste(second, (0, height - second.height))
    yield (
        "two",
        both,
        torch.stack(
            [
                points + torch.tensor([float(second.width), 0.0]),
                eyes_and_mouth(other.landmarks) + torch.tensor([0.0, float(height - second.height)]),
            ]
        ),
    )

    narrow = round(0.4 * width)
    profile = _wall(image, width, height)
    profile.paste(image.resize((narrow, height), Image.Resampling.LANCZOS), (150, 0))
    yield (
        "profile",
        profile,
        (points * torch.tensor([narrow / width, 1.0]) + torch.tensor([150.0, 0.0]))[None],
    )

    yield "sunglasses", _with_bar(image, landmarks, 0.36 * distance), points[None]
    yield "hand", _with_hand(image, landmarks), points[None]
    yield "gray", image.convert("L"), points[None]

    still = Still(photograph, landmarks, 0.0)
    scene = PhotoScene(0, "test", 1.0, 256, photographs)
    puppet, placed = load_puppet(still, scene, random.Random(0))
    wide = render_puppet(puppet, neutral_motion(1), torch.tensor([[1.0, 0.0, 0.0]]), 256)[0]
    shown = Image.fromarray((wide * 255).round().byte().numpy())
    yield "open_mouth", shown, (eyes_and_mouth(placed) * 256)[None]

    none = torch.zeros(0, 3, 2)
    yield "shuffled", _shuffled(image, 32), none
    yield "animal", _cat(image), none


def _wall(image: Image.Image, width: int, height: int) -> Image.Image:
    """The backdrop alone."""
    return image.crop((0, 0, image.width, 80)).resize((width, height), Image.Resampling.BICUBIC)


def _with_bar(image: Image.Image, landmarks: Tensor, reach: float) -> Image.Image:
    eyes = [landmarks[list(corners), :2].mean(0).tolist() for corners in (LEFT_EYE, RIGHT_EYE)]
    covered = image.copy()
    draw = ImageDraw.Draw(covered)
    draw.line([tuple(eye) for eye in eyes], fill=(12, 12, 14), width=8)
    for x, y in eyes:
        draw.rounded_rectangle(
            (x - reach, y - 0.75 * reach, x + reach, y + 0.8 * reach), 18, fill=(12, 12, 14)
        )
    return covered


def _with_hand(image: Image.Image, landmarks: Tensor) -> Image.Image:
    lips = landmarks[list(LIPS), :2]
    left, top, right, bottom = torch.cat([lips.amin(0), lips.amax(0)]).tolist()
    x, y = landmarks[CHEEK, :2].round().int().tolist()
    skin = tuple(np.asarray(image)[y, x].tolist())
    covered = image.copy()
    draw = ImageDraw.Draw(covered)
    finger = (bottom - top + 30) / 4
    for i in range(4):
        y = top - 15 + i * finger
        shade = tuple(round(value * (0.97 - 0.04 * (i % 2))) for value in skin)
        draw.rounded_rectangle((left - 40, y, right + 110, y + finger - 2), finger / 2, fill=shade)
    draw.rounded_rectangle((right + 40, top - 20, right + 170, bottom + 90), 40, fill=skin)
    return covered


def _shuffled(image: Image.Image, side: int) -> Image.Image:
    """The same colors in other places."""
    pixels = np.asarray(image)
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    blocks = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, 3).swapaxes(1, 2)
    blocks = np.random.default_rng(0).permutation(blocks.reshape(-1, side, side, 3))
    mixed = blocks.reshape(rows, columns, side, side, 3).swapaxes(1, 2)
    return Image.fromarray(mixed.reshape(rows * side, columns * side, 3))


def _cat(image: Image.Image) -> Image.Image:
    drawn = _wall(image, 320, 320)
    draw = ImageDraw.Draw(drawn)
    fur, dark = (176, 122, 62), (40, 26, 18)
    draw.polygon([(75, 130), (70, 30), (140, 80)], fill=fur)
    draw.polygon([(245, 130), (250, 30), (180, 80)], fill=fur)
    draw.ellipse((60, 65, 260, 265), fill=fur)
    for x in (118, 202):
        draw.ellipse((x - 24, 125, x + 24, 165), fill=(190, 200, 70))
        draw.ellipse((x - 5, 127, x + 5, 163), fill=dark)
    draw.polygon([(148, 188), (172, 188), (160, 202)], fill=dark)
    draw.arc((125, 190, 160, 225), 0, 150, fill=dark, width=3)
    draw.arc((160, 190, 195, 225), 30, 180, fill=dark, width=3)
    for side, x in ((-1, 130), (1, 190)):
        for tilt in (-12, 0, 12):
            draw.line((x, 205, x + side * 90, 200 + tilt), fill=(235, 230, 220), width=2)
    return drawn
