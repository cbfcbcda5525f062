"""Train the face finder: photographed and drawn faces on backgrounds, degraded in many ways.

Both networks learn from the same scenes. The reader sees every face from slightly wrong places. It also sees
everything that the search currently takes for a face, so it learns from the search's mistakes.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ..fitting import one_cycle, update_average
from ..weights.bundled import save_bundled
from .finder import close_frames, close_up, decode, overlap
from .material import Portrait, backgrounds, drawn_presenters, photographs
from .network import STRIDE, FaceFinder, fused
from .scenes import Scene, SceneMaker, SceneSettings

HELD_BACK = 8  # every eighth background is for validation

_LONGEST = 400  # pixels of a background
_LOOSE, _TIGHT = 1.0, 0.3  # how much the reader's places are shifted
_SAVED = 250  # updates between savings
_CLOSE = SceneSettings(smallest=0.45, largest=1.0, empty=0.0, several=0.0, hidden=0.2)


@dataclass(frozen=True)
class FitSettings:
    """Size of the training.

    Attributes:
        steps: updates.
        batch: scenes per update.
        fresh: number of new scenes among them. The others come from the newest ``pool``, mirrored or not, in
            another light: drawing a scene takes as long as learning from it.
        pool: number of scenes kept.
        close: scenes per update with a large face, only for the reader.
        side: pixels of a scene, a multiple of 16.
        drawn: number of drawn presenters added to the photographs.
        rate: peak learning rate.
        average: decay of the running mean of the weights; the mean is written.
        seed: seed of everything.
    """

    steps: int = 3000
    batch: int = 24
    fresh: int = 5
    pool: int = 4000
    close: int = 16
    side: int = 112
    drawn: int = 200
    rate: float = 3e-3
    average: float = 0.998
    seed: int = 0


def fit_finder(out: Path, faces: Path, folders: Sequence[Path], settings: FitSettings | None = None) -> float:
    """Train and write the weights as float16 to ``out``, from time to time and at the end.

    Args:
        out: the file of weights.
        faces: folder of photographed faces, see :func:`photographs`; its training split is used.
        folders: pictures without faces; every eighth is kept for validation.
        settings: size of the training.

    Returns:
        The mean loss of the last hundred steps.

    Raises:
        MediaError: the faces or backgrounds are missing.
    """
    settings = settings or FitSettings()
    portraits = photographs(faces, "train") + drawn_presenters(settings.drawn, "train", settings.seed)
    grounds = [g for i, g in enumerate(backgrounds(folders, _LONGEST)) if i % HELD_BACK]
    return train_finder(portraits, grounds, out, settings)


def train_finder(
    portraits: Sequence[Portrait], grounds: Sequence[Image.Image], out: Path, settings: FitSettings
) -> float:
    """Train on faces and backgrounds and write the weights; see :func:`fit_finder`."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed + 1)
    maker = SceneMaker(portraits, grounds, seed=settings.seed)
    close_maker = SceneMaker(portraits, grounds, _CLOSE, settings.seed + 2)
    finder = FaceFinder(norm=True)
    mean = copy.deepcopy(finder)
    optimizer = torch.optim.AdamW(finder.parameters(), settings.rate, weight_decay=1e-3)
    schedule = one_cycle(optimizer, settings.steps, 200)
    pool: deque[Scene] = deque(maxlen=settings.pool)
    close_pool: deque[Scene] = deque(maxlen=settings.pool)
    losses: list[tuple[float, ...]] = []
    progress = tqdm(range(settings.steps), desc="fitting", unit="step", mininterval=1)
    for step in progress:
        new = settings.fresh if pool else min(settings.pool, settings.fresh * 50)
        pool.extend(maker.draw(settings.side, settings.side) for _ in range(new))
        close_pool.extend(close_maker.draw(settings.side, settings.side) for _ in range(new))
        scenes = _drawn_again(pool, settings.batch, settings.fresh, generator)
        pictures = _relit(scenes, generator)
        answers = finder.search(pictures)
        with torch.no_grad():
            found = decode(answers)
        closer = _drawn_again(close_pool, settings.close, settings.fresh, generator)
        places = _Places(torch.cat([pictures, _relit(closer, generator)]), generator)
        for index, scene in enumerate((*scenes, *closer)):
            places.add(index, scene, found[index] if index < len(found) else None)
        parts = (*_search_losses(answers, scenes), *_read_losses(finder, places))
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(parts).sum())
        torch.nn.utils.clip_grad_norm_(finder.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        update_average(mean, finder, step, settings.average)
        losses.append(tuple(part.item() for part in parts))
        names = ("seen", "box", "points", "face", "close")
        recent = torch.tensor(losses[-100:]).mean(0).tolist()
        shown = {name: f"{value:.3f}" for name, value in zip(names, recent, strict=True)}
        progress.set_postfix(shown, refresh=False)
        if (step + 1) % _SAVED == 0 or step + 1 == settings.steps:
            save_bundled(fused(mean), out)
    last = losses[-100:]
    return sum(map(sum, last)) / len(last)


def _drawn_again(pool: Sequence[Scene], count: int, fresh: int, generator: Generator) -> list[Scene]:
    """The newest scenes and random older ones, each mirrored at random."""
    old = torch.randint(len(pool), (count - fresh,), generator=generator).tolist()
    chosen = [pool[-1 - i] for i in range(fresh)] + [pool[i] for i in old]
    mirrored = (torch.rand(count, generator=generator) < 0.5).tolist()
    return [scene.mirrored() if turn else scene for scene, turn in zip(chosen, mirrored, strict=True)]


def _relit(scenes: Sequence[Scene], generator: Generator) -> Tensor:
    """The pictures (B, 3, H, W) of scenes, in random light."""
    pixels = torch.stack([torch.from_numpy(scene.pixels) for scene in scenes])
    change = torch.rand(2, len(pixels), 3, 1, 1, generator=generator) + torch.rand(
        2, len(pixels), 1, 1, 1, generator=generator
    )
    pictures = pixels.permute(0, 3, 1, 2) / 255
    return ((0.8 + 0.2 * change[0]) * pictures + 0.1 * (change[1] - 1)).clamp(0, 1)


def _search_losses(answers: Tensor, scenes: Sequence[Scene]) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of the map of scores, of the boxes and of the points."""
    height, width = answers.shape[2:]
    x, y = torch.arange(width) + 0.5, (torch.arange(height) + 0.5)[:, None]
    target = torch.zeros(len(scenes), height, width)
    counts = torch.ones_like(target)
    box_errors, point_errors = [], []
    faces = 0
    for index, scene in enumerate(scenes):
        for box, points, sure in zip(*_tensors(scene), strict=True):
            left, top, right, bottom = (box / STRIDE).unbind()
            middle_x, middle_y, sides = (left + right) / 2, (top + bottom) / 2, (box[2:] - box[:2]) / STRIDE
            size = float(sides.prod().sqrt())
            far = (x - middle_x) ** 2 + (y - middle_y) ** 2
            if not sure:
                counts[index][far < (size / 2) ** 2] = 0
                continue
            faces += 1
            nearest = far == far.min()
            central = (far < (0.06 * size) ** 2) | nearest
            spot = torch.exp(-far / (2 * max(0.5, 0.08 * size) ** 2))
            target[index] = torch.maximum(target[index], spot.masked_fill(central, 1.0))
            counts[index][central] = 1 / int(central.sum())
            rows, columns = torch.nonzero((far < (0.1 * size) ** 2) | nearest, as_tuple=True)
            found = answers[index][:, rows, columns].T
            cells = torch.stack([columns, rows], dim=1) + 0.5
            offsets = torch.stack([middle_x, middle_y]) - cells
            true_box = torch.cat([offsets, sides.log().expand(len(cells), 2)], dim=1)
            scale = torch.tensor([size, size, 1.0, 1.0])
            box_errors.append(((found[:, 1:5] - true_box) / scale).abs().sum(1).mean())
            true_points = (points / STRIDE - cells[:, None]) / size
            point_errors.append((found[:, 5:] - true_points.flatten(1)).abs().sum(1).mean())
    logits = answers[:, 0]
    likely = logits.sigmoid()
    hit = -((1 - likely) ** 2) * F.logsigmoid(logits) * (target == 1)
    miss = -((1 - target) ** 4) * likely**2 * F.logsigmoid(-logits) * (target < 1)
    seen = (counts * (hit + miss)).sum() / max(1, faces)
    none = logits.new_zeros(())
    boxes = torch.stack(box_errors).mean() if faces else none
    places = 2 * torch.stack(point_errors).mean() if faces else none
    return seen, boxes, places


class _Places:
    """Training data of the reader: frames in pictures (B, 3, H, W), and their targets."""

    def __init__(self, pictures: Tensor, generator: Generator) -> None:
        self.pictures = pictures
        self.generator = generator
        self.frames: list[Tensor] = []
        self.shown: list[Tensor] = []
        self.labels: list[float] = []
        self.truths: list[Tensor] = []

    def add(self, index: int, scene: Scene, found: tuple[Tensor, Tensor, Tensor] | None) -> None:
        """Add the faces of a scene from slightly wrong places, and what the search found, right and wrong."""
        boxes, points, sure = _tensors(scene)
        for face, frame in zip(points[sure], close_frames(points[sure]), strict=True):
            width = _LOOSE if torch.rand(1, generator=self.generator) < 0.5 else _TIGHT
            self._append(index, _jittered_frame(frame, width, self.generator), face)
        if found is not None and len(found[0]):
            guessed, guesses, _ = found
            shared = overlap(guessed, boxes) if len(boxes) else guessed.new_zeros(len(guessed), 1)
            best, which = shared.max(dim=1)
            for guess in torch.nonzero(best > 0.5)[:1, 0]:
                if sure[which[guess]]:
                    self._append(index, close_frames(guesses[guess][None])[0], points[which[guess]])
            for guess in torch.nonzero(best < 0.2)[:1, 0]:
                self._append(index, close_frames(guesses[guess][None])[0], None)
        elif found is not None and not len(boxes):
            self._append(index, _random_frame(self.pictures.shape[3], self.generator), None)

    def _append(self, index: int, frame: Tensor, truth: Tensor | None) -> None:
        self.frames.append(frame)
        self.shown.append(close_up(self.pictures[index], frame))
        self.labels.append(float(truth is not None))
        self.truths.append(torch.full((3, 2), math.nan) if truth is None else truth)


def _read_losses(finder: FaceFinder, places: _Places) -> tuple[Tensor, Tensor]:
    """Losses of the reader's scores and points."""
    logits, points = finder.read(torch.stack(places.shown))
    label = torch.tensor(places.labels)
    score = F.binary_cross_entropy_with_logits(logits, label)
    known = label > 0
    if not known.any():
        return score, score.new_zeros(())
    frame, truth = torch.stack(places.frames)[known], torch.stack(places.truths)[known]
    away = (truth - frame[:, None, :, 2]).transpose(1, 2)
    inside = torch.linalg.solve(frame[:, :, :2], away).transpose(1, 2)
    sharp = ((truth[:, 1] - truth[:, 0]).norm(dim=1) / 20).clamp(0.1, 1.0)
    errors = (points[known] - inside).norm(dim=2).mean(1)
    return score, 10 * (errors * sharp).sum() / sharp.sum()


def _jittered_frame(frame: Tensor, width: float, generator: Generator) -> Tensor:
    """A frame moved, turned and scaled at random."""
    noise = width * torch.randn(4, generator=generator)
    angle, scale = 0.2 * noise[0], torch.exp(0.15 * noise[1])
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    linear = frame[:, :2] @ torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
    return torch.cat([linear, (frame[:, 2] + frame[:, :2] @ (0.12 * noise[2:]))[:, None]], dim=1)


def _random_frame(side: int, generator: Generator) -> Tensor:
    """A frame with random place and size."""
    x, y, size, angle = torch.rand(4, generator=generator).tolist()
    half = side * 0.5 * 0.08 ** (1 - size)
    cos, sin = half * math.cos(angle - 0.5), half * math.sin(angle - 0.5)
    return torch.tensor([[cos, -sin, x * side], [sin, cos, y * side]])


def _tensors(scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.from_numpy(scene.boxes).float(),
        torch.from_numpy(scene.points).float(),
        torch.from_numpy(scene.sure),
    )
