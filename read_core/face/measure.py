"""Measure the face finder: held-out faces on held-out backgrounds, and two public photographs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ..media.images import read_image
from .finder import find_faces
from .fit import HELD_BACK
from .material import Portrait, backgrounds, drawn_presenters, photographs
from .network import FaceFinder
from .scenes import Scene, SceneMaker, SceneSettings

NEAR = 0.25  # mean error of the three points, in eye distances, up to which a face counts as found

# Set by hand on enlarged pictures: middles of the eyes and of the mouth, pixels.
PUBLIC = {
    "grace_hopper.jpg": ((224.0, 193.5), (304.8, 191.2), (268.1, 280.2)),
    "astronaut.png": ((202.8, 102.6), (247.9, 104.5), (224.0, 139.7)),
}

_LONGEST = 1024  # pixels of a background
_SHORTER = (320, 960)  # pixels of a test picture's shorter side
_TEST = SceneSettings(
    smallest=0.08,
    largest=0.80,
    roll=30.0,
    turned=0.0,
    clean=1.0,
    empty=0.0,
    several=0.0,
    cut=0.0,
    hidden=0.0,
    whole=0.0,
    stretch=0.0,
    strange=0.0,
)


@dataclass(frozen=True)
class Finds:
    """Results in n pictures with one face each.

    Attributes:
        sizes: (n,) height of the face as a share of the picture's shorter side.
        scores: (n,) score of the find nearest to the face; 0 if none is near.
        eyes, mouths: (n,) errors of its points in eye distances; for the eyes the mean.
        others: (n,) the best score of a false find.
    """

    sizes: Tensor
    scores: Tensor
    eyes: Tensor
    mouths: Tensor
    others: Tensor


def held_out_scenes(
    faces: Path,
    folders: Sequence[Path],
    split: str,
    drawn: bool = False,
    spoiled: bool = False,
    seed: int = 0,
) -> SceneMaker:
    """Scenes of held-out faces on backgrounds that the training does not use.

    For "validation", ``folders`` are those of the training, and every eighth background is used.
    """
    portraits: list[Portrait] = drawn_presenters(80, split, seed + 1) if drawn else photographs(faces, split)
    grounds = backgrounds(folders, _LONGEST)
    if split == "validation":
        grounds = grounds[::HELD_BACK]
    settings = replace(_TEST, clean=0.0, hidden=0.3, whole=0.25, strange=0.3) if spoiled else _TEST
    return SceneMaker(portraits, grounds, settings, seed)


def draw_scene(maker: SceneMaker, count: int) -> Scene:
    """A test picture of random size with ``count`` faces; sides differ by up to a third."""
    shorter, ratio = maker.rng.randint(*_SHORTER), maker.rng.uniform(1.0, 4 / 3)
    sides = (shorter, int(shorter * ratio))
    return maker.draw(*(sides if maker.rng.random() < 0.5 else sides[::-1]), count)


def find_in_scenes(maker: SceneMaker, count: int, finder: FaceFinder | None = None) -> Finds:
    """Find the one face of each of ``count`` scenes, with any score."""
    rows: list[tuple[float, ...]] = []
    while len(rows) < count:
        scene = draw_scene(maker, 1)
        if len(scene.points) != 1 or not scene.sure[0]:
            continue
        found = find_faces(as_image(scene.pixels), finder=finder, threshold=0.0)
        truth = torch.from_numpy(scene.points[0]).float()
        height = float(scene.boxes[0, 3] - scene.boxes[0, 1]) / min(scene.pixels.shape[:2])
        errors = point_errors(found.points, truth)
        near = errors.mean(1) < NEAR
        best = int((found.scores * near).argmax()) if near.any() else -1
        others = torch.where(near, 0, found.scores).max() if len(found) else torch.tensor(0.0)
        seen = (0.0, math.inf, math.inf)
        if best >= 0:
            seen = (float(found.scores[best]), float(errors[best, :2].mean()), float(errors[best, 2]))
        rows.append((height, *seen, float(others)))
    return Finds(*torch.tensor(rows).T)


def best_scores_without_face(maker: SceneMaker, count: int, finder: FaceFinder | None = None) -> Tensor:
    """The highest score (count,) in each of ``count`` pictures without a face, turned in all four ways.

    0 where there was none.
    """
    scores = []
    for _ in range(count):
        image = as_image(draw_scene(maker, 0).pixels)
        turned = [find_faces(image.rot90(quarters), finder=finder, threshold=0.0) for quarters in range(4)]
        scores.append(max(float(score) for found in turned for score in (*found.scores, 0.0)))
    return torch.tensor(scores)


def point_errors(points: Tensor, truth: Tensor) -> Tensor:
    """Distances (n, 3) of points (n, 3, 2) from the true ones (3, 2), in distances of the true eyes."""
    errors: Tensor = (points - truth).norm(dim=2) / (truth[1] - truth[0]).norm()
    return errors


def public_errors(path: Path, finder: FaceFinder | None = None) -> tuple[int, Tensor]:
    """Number of faces found in a photograph of PUBLIC, and the errors (3,) of the points of the nearest one.

    Raises:
        InputError: there are no points set by hand for a photograph with that name.
    """
    if path.name not in PUBLIC:
        raise InputError(f"{path.name} has no points set by hand; expected {' or '.join(PUBLIC)}")
    found = find_faces(read_image(path), finder=finder)
    errors = point_errors(found.points, torch.tensor(PUBLIC[path.name]))
    return len(found), errors[errors.mean(1).argmin()] if len(found) else torch.full((3,), torch.inf)


def seconds_per_picture(image: Tensor, finder: FaceFinder | None = None, repeats: int = 30) -> float:
    """Seconds of the fastest of ``repeats`` runs on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            find_faces(image, finder=finder)
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return min(times)


def as_image(pixels: np.ndarray | Image.Image) -> Tensor:
    """Convert bytes (H, W, 3) to a picture, 0..1."""
    return torch.from_numpy(np.array(pixels, np.float32) / 255)
