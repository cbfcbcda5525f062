"""Train a reader of mouths: drawn presenters with random mouths, degraded in many ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F
from tqdm import tqdm

from ..fitting import one_cycle
from ..weights.bundled import save_bundled
from .reader import SIDE, MouthReader, gaussian_blur, square

if TYPE_CHECKING:
    from torch import Generator, Tensor

_GROUP = 4  # mouths per presenter and pose
_WEIGHTS = (4.0, 1.0, 1.0)  # of errors in open, width, round
_MISS = 0.03  # random shift of the reader's crop, in -1..1
_FAR = 20.0  # weight of errors in the place


@dataclass(frozen=True)
class FitSettings:
    """Size of the training.

    Attributes:
        presenters: faces of the training split, 4 mouths each.
        steps: updates.
        batch: pictures per update.
        rate: peak learning rate.
        seed: seed of everything.
    """

    presenters: int = 1600
    steps: int = 2000
    batch: int = 48
    rate: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """pictures (N, 4, 3, SIDE, SIDE) uint8; mouths (N, 4, 3); centers (N, 2), x and y in -1..1."""

    pictures: Tensor
    mouths: Tensor
    centers: Tensor


def fit_mouth(out: Path, settings: FitSettings | None = None) -> float:
    """Draw, train and write the weights as float16 to ``out``; returns the last hundred steps' mean loss."""
    settings = settings or FitSettings()
    return train_reader(draw_examples(settings), out, settings)


def draw_examples(settings: FitSettings) -> Examples:
    """Presenters of the training split, each in one pose with 4 random mouths."""
    from ..corpus.drawing.presenter import sample_presenter
    from ..corpus.drawing.render import cut, mouth_box, render
    from ..corpus.motion import sample_motion

    generator = torch.Generator().manual_seed(settings.seed)
    pictures = torch.empty(settings.presenters, _GROUP, 3, SIDE, SIDE, dtype=torch.uint8)
    mouths = random_mouths(settings.presenters * _GROUP, generator).view(-1, _GROUP, 3)
    centers = torch.empty(settings.presenters, 2)
    for index in tqdm(range(settings.presenters), desc="drawing mouths", unit="face"):
        seed = int(torch.randint(2**40, (1,), generator=generator))
        presenter = sample_presenter(seed)
        moving = sample_motion(seed, 150)
        frame = int(torch.randint(150, (1,), generator=generator))
        motion = cut(moving, frame, frame + 1)
        still = type(motion)(
            **{
                name: track.expand(_GROUP, *track.shape[1:]).contiguous()
                for name, track in vars(motion).items()
            }
        )
        frames = render(presenter, still, mouths[index], SIDE)
        pictures[index] = (square(frames) * 255).round().to(torch.uint8)
        left, top, right, bottom = mouth_box(presenter, motion, SIDE)[0].tolist()
        centers[index] = torch.tensor([left + right, top + bottom]) / SIDE - 1
    return Examples(pictures, mouths, centers)


def train_reader(examples: Examples, out: Path, settings: FitSettings) -> float:
    """Train on ``examples`` and write the weights; see :func:`fit_mouth`."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed + 1)
    reader = MouthReader()
    optimizer = torch.optim.AdamW(reader.parameters(), settings.rate, weight_decay=1e-3)
    schedule = one_cycle(optimizer, settings.steps, 100)
    weights = torch.tensor(_WEIGHTS)
    losses: list[float] = []
    progress = tqdm(range(settings.steps), desc="fitting", unit="step")
    for _ in progress:
        pictures, mouths, centers = _draw_batch(examples, settings.batch, generator)
        found = reader.find(pictures)
        near = found.detach() + _MISS * torch.randn(found.shape, generator=generator)
        errors = (reader.shape(pictures, near) - mouths).square() * weights
        loss = errors.mean() + _FAR * (found - centers).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        progress.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
    save_bundled(reader, out)
    last = losses[-100:]
    return sum(last) / len(last)


def random_mouths(count: int, generator: Generator) -> Tensor:
    """Independent shapes (count, 3): often closed or nearly so, any width, often not rounded."""
    opening = torch.rand(count, generator=generator) ** 1.5
    opening[torch.rand(count, generator=generator) < 0.2] = 0.0
    width = torch.rand(count, generator=generator) * 1.7 - 0.8
    rounding = (torch.rand(count, generator=generator) * 1.6 - 0.6).clamp(min=0.0)
    return torch.stack([opening, width, rounding], dim=1)


def _draw_batch(examples: Examples, size: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A degraded batch: pictures (B, 3, SIDE, SIDE), mouths (B, 3), centers (B, 2)."""
    faces = torch.randint(len(examples.centers), (size,), generator=generator)
    one, two = torch.randint(_GROUP, (2, size), generator=generator)
    # Sometimes a mixture of two mouths, like that of a blurring decoder or an undecided model.
    mixed = (torch.rand(size, generator=generator) < 0.3) * torch.rand(size, generator=generator)
    pictures = torch.lerp(
        examples.pictures[faces, one].float() / 255,
        examples.pictures[faces, two].float() / 255,
        mixed[:, None, None, None],
    )
    mouths = torch.lerp(examples.mouths[faces, one], examples.mouths[faces, two], mixed[:, None])
    pictures, centers = _augmented(pictures, examples.centers[faces], generator)
    return _spoiled(pictures, generator), mouths, centers


def _augmented(pictures: Tensor, centers: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Mirror, zoom by up to 12 % and shift by up to 6 % of the picture."""
    size = len(pictures)
    zoom = 1 + 0.12 * signed(size, generator)
    mirror = torch.where(torch.rand(size, generator=generator) < 0.5, -1.0, 1.0)
    shift = 0.12 * torch.stack([signed(size, generator), signed(size, generator)], dim=1)
    scale = torch.stack([zoom * mirror, zoom], dim=1)
    transform = torch.cat([torch.diag_embed(scale), shift[:, :, None]], dim=2)
    grid = F.affine_grid(transform, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return moved, (centers - shift) / scale


def _spoiled(pictures: Tensor, generator: Generator) -> Tensor:
    """Blur (one strength per batch), coarse noise, noise, and random colors and light."""
    blur = float(torch.rand(1, generator=generator))
    if blur > 0.4:
        pictures = gaussian_blur(pictures, 3.0 * (blur - 0.3))
    return noisy(pictures, generator)


def noisy(pictures: Tensor, generator: Generator) -> Tensor:
    """Add coarse noise, noise, and random colors and light."""
    size = len(pictures)
    side = pictures.shape[-1]
    coarse = torch.randn(size, 3, side // 4, side // 4, generator=generator)
    coarse = F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)
    fine = torch.randn(pictures.shape, generator=generator)
    strength = torch.rand(2, size, 1, 1, 1, generator=generator) ** 2 * 0.08
    pictures = pictures + strength[0] * coarse + strength[1] * fine
    gain = 1 + 0.2 * signed((size, 3, 1, 1), generator)
    return (pictures * gain + 0.08 * signed((size, 3, 1, 1), generator)).clamp(0, 1)


def signed(shape: int | tuple[int, ...], generator: Generator) -> Tensor:
    """Uniform in -1..1."""
    return torch.rand(shape, generator=generator) * 2 - 1
