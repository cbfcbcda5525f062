"""Train a reader of faces: many faces, degraded in many ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F
from tqdm import tqdm

from ..fitting import one_cycle
from ..weights.bundled import save_bundled
from .face_examples import GROUP, FaceExamples, draw_faces
from .face_reader import VALUES, FaceReader, crops
from .fit import noisy

if TYPE_CHECKING:
    from torch import Generator, Tensor

_WEIGHTS = (4.0, 1.0, 1.0, 1.0, 1.0)  # of errors in open, width, round, lids
_OFFSET = 0.3  # weight of the error common to all pictures of a face, which depends on the person
_MISS = (0.03, 0.03, 0.05)  # random shift of eyes and mouth, in -1..1
_MIXED = 0.2  # of the pictures


@dataclass(frozen=True)
class FaceFitSettings:
    """Size of the training.

    Attributes:
        stills: talking photographs of the training split, 8 pictures each.
        drawn: presenters, 8 pictures each.
        faces: folder of portraits; None: only drawn presenters.
        steps: updates.
        batch: faces per update, 4 pictures each.
        rate: peak learning rate.
        seed: seed of everything.
    """

    stills: int = 420
    drawn: int = 200
    faces: Path | None = None
    steps: int = 1500
    batch: int = 8
    rate: float = 2e-3
    seed: int = 0


def fit_face_reader(out: Path, settings: FaceFitSettings) -> float:
    """Draw, train and write the weights as float16 to ``out``; returns the last hundred steps' mean loss."""
    stills = settings.stills if settings.faces is not None else 0
    examples = draw_faces(stills, settings.drawn, settings.faces, "train", settings.seed)
    return train_face_reader(examples, out, settings)


def train_face_reader(examples: FaceExamples, out: Path, settings: FaceFitSettings) -> float:
    """Train on ``examples`` and write the weights; see :func:`fit_face_reader`."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed + 1)
    reader = FaceReader()
    optimizer = torch.optim.AdamW(reader.parameters(), settings.rate, weight_decay=1e-3)
    schedule = one_cycle(optimizer, settings.steps, 100)
    losses: list[float] = []
    miss = torch.tensor(_MISS)[:, None]
    progress = tqdm(range(settings.steps), desc="fitting", unit="step")
    for _ in progress:
        pictures, values, places = draw_batch(examples, settings.batch, generator)
        near = places + miss * torch.randn(places.shape, generator=generator)
        seen = (noisy(part, generator) for part in _coarser(crops(pictures, near), generator))
        loss = value_loss(reader.read_crops(*seen), values, settings.batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        progress.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
    save_bundled(reader, out)
    last = losses[-100:]
    return sum(last) / len(last)


def value_loss(read: Tensor, values: Tensor, faces: int) -> Tensor:
    """Weighted squared errors of (faces x k, 5); the mean error of a face counts less than the variation."""
    errors = torch.where(values.isnan(), 0.0, read - values).view(faces, -1, VALUES)
    offset = errors.mean(dim=1, keepdim=True)
    squares = (errors - offset).square() + _OFFSET * offset.square()
    loss: Tensor = (squares * errors.new_tensor(_WEIGHTS)).mean()
    return loss


def draw_batch(examples: FaceExamples, faces: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """4 pictures of each face: pictures (B, 3, SIDE, SIDE), values (B, 5), places (B, 3, 2).

    Some pictures are mixtures of two moments, like those of a blurring decoder or an undecided model. Half of
    the batches are mirrored.
    """
    half = GROUP // 2
    which = torch.randint(len(examples.pictures), (faces, 1), generator=generator).expand(-1, half).flatten()
    pose = torch.arange(half).repeat(faces)
    swap = torch.randint(2, (len(which),), generator=generator)
    one, two = 2 * pose + swap, 2 * pose + 1 - swap
    size = len(which)
    mixed = (torch.rand(size, generator=generator) < _MIXED) * torch.rand(size, generator=generator)
    pictures = torch.lerp(
        examples.pictures[which, one].float() / 255,
        examples.pictures[which, two].float() / 255,
        mixed[:, None, None, None],
    )
    values = torch.lerp(examples.values[which, one], examples.values[which, two], mixed[:, None])
    places = examples.places[which, one]
    if float(torch.rand(1, generator=generator)) < 0.5:
        return pictures, values, places
    swapped = places[:, [1, 0, 2]] * places.new_tensor([-1.0, 1.0])
    return pictures.flip(3), values[:, [0, 1, 2, 4, 3]], swapped


def _coarser(parts: Sequence[Tensor], generator: Generator) -> Sequence[Tensor]:
    """Remove detail in half of the batches, like a codec: shrink to 90 to 33 % of the size, and enlarge."""
    share = float(torch.rand(1, generator=generator))
    if share < 0.5:
        return parts
    result = []
    for part in parts:
        side = part.shape[-1]
        less = round(side * (0.9 - 1.13 * (share - 0.5)))
        small = F.interpolate(part, (less, less), mode="bilinear", antialias=True, align_corners=False)
        result.append(F.interpolate(small, (side, side), mode="bilinear", align_corners=False))
    return result
