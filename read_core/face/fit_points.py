"""Train the network that reads single points, on squares of faces around places that are a little off."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ..fitting import one_cycle, update_average
from ..pictures import antialiased
from ..weights.bundled import save_bundled
from .alignment import FaceCrop, cut_face
from .finder import load_finder, point_frames
from .glasses import with_glasses
from .material import Portrait, drawn_presenters, photographs
from .network import POINT_SIDE, PointReader, fused

_SIDE = 160  # pixels of a face; the eyes are then as far apart as in the squares
_SPAN = 4.0  # its side in eye distances
_GROUPS = ((0, *range(3, 8)), (1, *range(8, 13)), (2, *range(13, 19)))  # of 3 points and 16 features
_MIRRORED = (1, 0, 2, *range(8, 13), *range(3, 8), 14, 13, *range(15, 19))  # the same in a mirror
_TIGHT, _LOOSE = 0.03, 0.09  # how far off the places are, in eye distances
_COARSE = (POINT_SIDE, POINT_SIDE, 26, 16, 11)  # pixels of the squares of faces of several sizes


@dataclass(frozen=True)
class PointSettings:
    """Size of the training.

    Attributes:
        steps: updates.
        batch: faces per update, three squares of each.
        rate: peak learning rate.
        average: decay of the running mean of the weights; the mean is written.
        drawn: number of drawn presenters, in addition to the photographs.
        seed: seed of all random numbers.
    """

    steps: int = 1300
    batch: int = 16
    rate: float = 3e-3
    average: float = 0.998
    drawn: int = 100
    seed: int = 0


def fit_points(out: Path, faces: Path, settings: PointSettings | None = None) -> float:
    """Train the reader of points of the finder in ``out`` and replace that file.

    Args:
        out: the finder's weights.
        faces: folder of photographed faces; its training split is used.
        settings: size of the training.

    Returns:
        The mean error of the last hundred steps, in eye distances.

    Raises:
        InputError: no weights.
        MediaError: the faces are missing.
    """
    settings = settings or PointSettings()
    portraits = photographs(faces, "train") + drawn_presenters(settings.drawn, "train", settings.seed)
    return train_points(portraits, out, settings)


def train_points(portraits: Sequence[Portrait], out: Path, settings: PointSettings) -> float:
    """Train on portraits; see :func:`fit_points`."""
    torch.manual_seed(settings.seed)
    finder = load_finder(out)
    pictures, points = aligned_faces(portraits)
    generator = torch.Generator().manual_seed(settings.seed + 1)
    reader = PointReader(norm=True)
    mean = copy.deepcopy(reader)
    optimizer = torch.optim.AdamW(reader.parameters(), settings.rate, weight_decay=1e-3)
    schedule = one_cycle(optimizer, settings.steps, 200)
    errors: list[float] = []
    progress = tqdm(range(settings.steps), desc="points", unit="step", mininterval=1)
    for step in progress:
        chosen = torch.randint(len(pictures), (settings.batch,), generator=generator)
        squares, truth = drawn_squares(pictures[chosen], points[chosen], generator)
        error = _error(reader(squares), truth)
        optimizer.zero_grad()
        torch.autograd.backward(error)
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        update_average(mean, reader, step, settings.average)
        errors.append(error.item())
        progress.set_postfix(error=f"{np.mean(errors[-100:]):.4f}", refresh=False)
    finder.point = fused(mean)
    save_bundled(finder, out)
    return float(np.mean(errors[-100:]))


def _error(found: tuple[Tensor, Tensor], truth: tuple[Tensor, Tensor]) -> Tensor:
    """Mean distance of the points, and of the middles of the corners, from the true ones."""
    middles, features = [], []
    for ours, true in zip(found, truth, strict=True):
        middles.append((ours[:, :2].mean(1) - true[:, 0]).norm(dim=1))
        known = true[:, 1:].isfinite().all(2)
        features.append((ours[known] - true[:, 1:][known]).norm(dim=1))
    known_features = torch.cat(features)
    return torch.cat(middles).mean() + known_features.sum() / max(1, len(known_features))


def aligned_faces(portraits: Sequence[Portrait]) -> tuple[Tensor, Tensor]:
    """Faces (n, 3, 160, 160) uint8 and, in eye distances from their middle, points (n, 19, 2).

    The points are both eyes, the mouth and the features, of which those unknown are not a number.
    """
    pictures, places = [], []
    for portrait in portraits:
        unit = float(np.linalg.norm(portrait.points[1] - portrait.points[0]))
        middle = portrait.points.mean(0)
        x, y = middle.tolist()
        image = torch.from_numpy(np.array(portrait.picture, np.float32) / 255)
        cut = cut_face(image, FaceCrop(x, y, _SPAN * unit, _SPAN * unit), (_SIDE, _SIDE))
        pictures.append((255 * cut).round().byte().permute(2, 0, 1))
        places.append((np.concatenate([portrait.points, portrait.features]) - middle) / unit)
    return torch.stack(pictures), torch.from_numpy(np.stack(places)).float()


def drawn_squares(
    pictures: Tensor, points: Tensor, generator: Generator
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Squares (3 B, 3, h, w) of B faces as :class:`PointReader` wants them, and what is there.

    Args:
        pictures, points: of :func:`aligned_faces`.
        generator: draws how they are stretched, spoiled and hidden.

    Returns:
        The squares, and places in them: eyes (2 B, 6, 2) and mouths (B, 7, 2), their middles first.
    """
    count = len(pictures)

    def normal(scale: float, *shape: int) -> Tensor:
        return scale * torch.randn(count, *shape, generator=generator)

    def chance(share: float) -> Tensor:
        return torch.rand(count, generator=generator) < share

    mirrored = chance(0.5)
    flip = torch.where(mirrored, -1.0, 1.0)
    wide, slant = normal(0.05).exp(), normal(0.05)
    matrix = torch.stack([wide * flip, slant, slant * flip, 1 / wide], dim=1).view(-1, 2, 2)
    ordered = torch.where(mirrored[:, None, None], points[:, list(_MIRRORED)], points)
    everything = ordered @ matrix.transpose(1, 2)
    truth = everything[:, :3]
    off = torch.where(chance(0.7), _TIGHT, _LOOSE)[:, None, None]
    frames = point_frames(truth + off * (normal(1.0, 3, 2) + normal(1.0, 1, 2)))  # (3 B, 2, 3)
    steps = (torch.arange(POINT_SIDE) + 0.5) * 2 / POINT_SIDE - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).flatten(0, 1)
    places = grid @ frames[:, :, :2].transpose(1, 2) + frames[:, None, :, 2]  # (3 B, h w, 2)
    # The squares of one face lie below each other from here on: (B, 3 h, w).
    places = torch.stack(places.chunk(3), dim=1).reshape(count, 3 * POINT_SIDE, POINT_SIDE, 2)
    inverse = torch.linalg.inv(matrix)
    sources = (places.flatten(1, 2) @ inverse.transpose(1, 2)).view_as(places) * (2 / _SPAN)
    shown = F.grid_sample(pictures.float() / 255, sources, padding_mode="border", align_corners=False)
    glasses = with_glasses(shown, places, truth[:, :2], generator)
    shown = torch.where(chance(0.4)[:, None, None, None], glasses, shown)
    shown = torch.where(chance(0.12)[:, None, None, None], _behind_bar(shown, places, generator), shown)
    shown = _spoiled(shown, generator)
    squares = torch.cat(shown.chunk(3, dim=2))
    first, second, third = (
        _inside(frame, everything[:, list(chosen)])
        for frame, chosen in zip(frames.chunk(3), _GROUPS, strict=True)
    )
    return squares, (torch.cat([first, second]), third)


def _inside(frames: Tensor, points: Tensor) -> Tensor:
    """Points (n, k, 2) as places -1..1 in frames (n, 2, 3)."""
    away = (points - frames[:, None, :, 2]).transpose(1, 2)
    inside: Tensor = torch.linalg.solve(frames[:, :, :2], away).transpose(1, 2)
    return inside


def _behind_bar(pictures: Tensor, places: Tensor, generator: Generator) -> Tensor:
    """A bar of one color over each picture (B, 3, h, w), whose pixels are at places (B, h, w, 2)."""
    angle, at, width = torch.rand(3, len(pictures), 1, 1, generator=generator)
    across = places[..., 0] * (math.pi * angle).cos() + places[..., 1] * (math.pi * angle).sin()
    bar = (across - 1.6 * at + 0.8).abs() < 0.05 + 0.15 * width
    color = torch.rand(len(pictures), 3, 1, 1, generator=generator)
    return torch.where(bar[:, None], color, pictures)


def _spoiled(pictures: Tensor, generator: Generator) -> Tensor:
    """Coarse, in another light, gray, noisy: (B, 3, 3 h, w), the three squares below each other."""
    count = len(pictures)

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, channels, 1, 1, generator=generator)

    parts = []
    for part in pictures.chunk(4):
        side = _COARSE[int(torch.randint(len(_COARSE), (1,), generator=generator))]
        size = (3 * side, side)
        small = antialiased(part, size, "bilinear")
        parts.append(F.interpolate(small, part.shape[2:], mode="bilinear", align_corners=False))
    pictures = torch.cat(parts).clamp(1e-3, 1) ** uniform(-0.5, 0.5).exp()
    gray = pictures.mean(dim=1, keepdim=True)
    pictures = torch.lerp(gray, pictures, uniform(-0.15, 1.4).clamp(min=0))
    side_light = torch.linspace(-1, 1, pictures.shape[3])
    pictures = pictures * uniform(0.6, 1.3) * uniform(0.9, 1.1, 3) * (1 + uniform(-0.4, 0.4) * side_light)
    noise = torch.randn(pictures.shape, generator=generator)
    return (pictures + uniform(-0.1, 0.15) + uniform(-0.05, 0.04).clamp(min=0) * noise).clamp(0, 1)
