"""Render video frames from a still portrait and its tracks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ..drawing.render import cut
from ..motion import Motion
from .anatomy import Anatomy, anatomy, curve
from .eyes import EyeWarp, eye_bounds
from .lips import SHOWS_TEETH, UPPER_SHARE, Inside, MouthWarp, wet_rim
from .pose import HeadPose, inner

MARGIN = 0.15
"""Margin of the still beyond each side of the crop, relative to the crop's side."""
PIXELS = 8 * 128 * 128  # drawn at a time
_BLACK, _SHADE = 0.3, 0.5  # light around the eyes, relative to the skin
_ALIKE, _ALIKE_IN_SHADE = 0.2, 0.3  # smallest difference of light within an eye, relative to the skin


@dataclass(frozen=True)
class Puppet:
    """A still prepared for animation.

    Attributes:
        still: (3, h, w) float32 0..1, the crop with MARGIN around it.
        face: its anatomy in the crop.
        opening: distance of the lips at open = 1, relative to the eye distance.
        inside: inside of the mouth.
        covered: whether dark glasses hide the eyes.
    """

    still: Tensor
    face: Anatomy
    opening: float
    inside: Inside
    covered: bool


def make_puppet(still: Tensor, landmarks: Tensor, rng: random.Random) -> Puppet:
    """Prepare a still.

    Args:
        still: (3, h, w) 0..1, the crop with MARGIN around it.
        landmarks: (478, 3), shares of the crop's side.
        rng: draws what the picture does not show: the largest opening, and the inside of the mouth.
    """
    face = anatomy(landmarks)
    unit = face.mouth.axes.half
    skin = _colors_at(still, face.skin)
    bright = _brightness(still, face)
    tint = skin.mean(1) / skin.mean(1).amax().clamp(min=1e-3)
    inside = Inside(
        light=bright,
        tint=torch.lerp(torch.ones(3), tint, 0.25),
        upper_teeth=rng.uniform(0.06, 0.20),
        lower_teeth=max(0.0, rng.uniform(-0.06, 0.12)),
        tooth=rng.uniform(0.26, 0.34) * 0.30 * face.eye_distance / unit,
        white=rng.uniform(0.3, 1.0),
        tongue=rng.random(),
    )
    return Puppet(still, face, rng.uniform(0.32, 0.42), inside, _covered(still, face))


def render_puppet(puppet: Puppet, motion: Motion, mouth: Tensor, size: int) -> Tensor:
    """Draw (F, size, size, 3) float32, 0..1, for a motion of F frames and (F, 3) open, width, round.

    A frame with neutral motion and the still's mouth shape equals the still.
    """
    frames = torch.empty(len(motion), size, size, 3)
    steps = (torch.arange(size) + 0.5) / size
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    face = puppet.face
    pose = HeadPose(face)
    skin = _colors_at(puppet.still, face.skin).mean(1)
    around = _colors_at(puppet.still, face.around_eyes)
    eyes = [
        EyeWarp(eye, torch.lerp(skin, around[:, side::2].mean(1), 0.6)) for side, eye in enumerate(face.eyes)
    ]
    lips = MouthWarp(face.mouth, puppet.opening * face.eye_distance / face.mouth.axes.half, puppet.inside)
    chunk = max(1, PIXELS // size**2)
    for first in range(0, len(motion), chunk):
        last = min(first + chunk, len(motion))
        part, track = cut(motion, first, last), mouth[first:last]
        frames[first:last] = _draw(puppet, pose, eyes, lips, places, part, track).permute(0, 2, 3, 1)
    return frames


def _draw(
    puppet: Puppet,
    pose: HeadPose,
    eyes: list[EyeWarp],
    mouth: MouthWarp,
    places: Tensor,
    motion: Motion,
    track: Tensor,
) -> Tensor:
    """(f, 3, H, W)."""
    size = len(places)
    head = pose.sources(places, motion)
    lips = mouth.lips(head, track)
    raised = sum(eye.raised(head, motion.brows) for eye in eyes)
    upper = _sample(puppet.still, mouth.sources(mouth.upper_source(lips, track)) + raised)
    for eye in eyes:
        rows, columns = eye.window(size)
        region = head[:, rows, columns]
        upper[:, :, rows, columns] = eye.paint(
            upper[:, :, rows, columns], region, partial(_sample, puppet.still), motion, 1 / size
        )
    fallen = mouth.sources(mouth.lower_source(lips, track)) - head
    lower = _sample(puppet.still, head + fallen * inner(head)[..., None])
    pixel = 1.2 / size / puppet.face.mouth.axes.half
    beneath = ((lips.v - (lips.top + lips.bottom) / 2) / pixel + 0.5).clamp(0, 1)[:, None]
    frames = torch.lerp(upper, lower, beneath) * wet_rim(lips)[:, None]
    hole = mouth.between(lips, pixel)[:, None]
    own = _sample(puppet.still, head) if puppet.face.mouth.gap > SHOWS_TEETH else frames
    return torch.lerp(frames, mouth.paint(lips, own), hole).clamp(0, 1)


def _sample(still: Tensor, places: Tensor) -> Tensor:
    """The still at (f, H, W, 2) shares of the crop: (f, 3, H, W)."""
    grid = ((places + MARGIN) / (1 + 2 * MARGIN)) * 2 - 1
    return F.grid_sample(
        still.expand(len(places), *still.shape), grid, padding_mode="border", align_corners=False
    )


def _colors_at(still: Tensor, points: Tensor) -> Tensor:
    """Blurred colors (3, N) of the still at (N, 2) shares of the crop."""
    small = F.adaptive_avg_pool2d(still[None], 40)
    grid = (((points + MARGIN) / (1 + 2 * MARGIN)) * 2 - 1)[None, None]
    return F.grid_sample(small, grid, padding_mode="border", align_corners=False)[0, :, 0]


def _brightness(still: Tensor, face: Anatomy) -> float:
    """Brightness of white in this picture, 0.45 to 1, estimated from the brightest skin."""
    luma = _colors_at(still, face.points).mean(0)
    return float((torch.quantile(luma, 0.9) * 1.25).clamp(0.45, 1.0))


def mouth_boxes(puppet: Puppet, motion: Motion, size: int) -> Tensor:
    """Pixel boxes (F, 4) of the lips in every shape: left, top, right, bottom."""
    mouth, unit = puppet.face.mouth, puppet.face.mouth.axes.half
    fall = puppet.opening * puppet.face.eye_distance / unit
    u = torch.tensor([-1.2, 1.2, -1.2, 1.2])
    top = float(mouth.upper[0]) - mouth.upper_lip - UPPER_SHARE * fall - 0.1
    bottom = float(mouth.lower[0]) + mouth.lower_lip + (1 - UPPER_SHARE) * fall + 0.1
    v = torch.tensor([top, top, bottom, bottom])
    corners = mouth.axes.origin + mouth.axes.vector(u, v)
    return _followed(puppet, torch.cat([corners.amin(0), corners.amax(0)])[None], motion, size)[:, 0]


def eye_boxes(puppet: Puppet, motion: Motion, size: int) -> Tensor:
    """Pixel boxes (F, 2, 4) of both eyes with their lids, the picture's left eye first."""
    bounds = torch.stack([eye_bounds(eye.axes, eye) for eye in puppet.face.eyes])
    return _followed(puppet, bounds, motion, size)


def _followed(puppet: Puppet, boxes: Tensor, motion: Motion, size: int) -> Tensor:
    """Boxes (K, 4) of the still, moved with the head: (F, K, 4) in pixels."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    pose = HeadPose(puppet.face)
    moved = middles[None] - pose.sources(middles[None], motion)[:, 0]
    return (boxes + torch.cat([moved, moved], dim=-1)) * size


def _covered(still: Tensor, face: Anatomy) -> bool:
    """Whether dark glasses or closed lids hide the eyes: black, or uniform between the lids."""
    across, down = torch.linspace(-0.8, 0.8, 17), torch.linspace(0.15, 0.85, 7)[:, None]
    shown = []
    for eye in face.eyes:
        upper, lower = curve(eye.upper, across), curve(eye.lower, across)
        v = torch.lerp(upper.expand(len(down), -1), lower.expand(len(down), -1), down)
        places = eye.axes.origin + eye.axes.vector(across.expand_as(v), v)
        shown.append(_sample(still, places[None]).mean(1).flatten())
    dark, bright = torch.cat(shown).quantile(torch.tensor([0.1, 0.9]))
    skin = _colors_at(still, face.skin).mean()
    around = _colors_at(still, face.around_eyes).mean() / skin
    least = _ALIKE_IN_SHADE if around < _SHADE else _ALIKE
    return bool(around < _BLACK or bright - dark < least * skin)
