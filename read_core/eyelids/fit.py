"""Train the eyelid network on eyes that close."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ..fitting import one_cycle, update_average
from .material import EyePatches, eye_material
from .network import EyelidNetwork, change_patches

_MOVED = 20.0  # weight of a pixel that the closing lid changes completely, over that of one that stays
_EDGES = 0.5  # weight of the difference of neighbors


@dataclass(frozen=True)
class FitSettings:
    """Size of the training.

    Attributes:
        steps: updates.
        batch: eyes per update.
        photographs, drawn: faces; poses: of each; closures: of each eye in each pose.
        rate: peak learning rate.
        average: decay of the running mean of the weights; the mean is kept.
        seed: seed of the updates.
    """

    steps: int = 2500
    batch: int = 32
    photographs: int = 850
    drawn: int = 250
    poses: int = 5
    closures: int = 3
    rate: float = 2e-3
    average: float = 0.998
    seed: int = 0


def fit_eyelids(faces: Path | None, settings: FitSettings | None = None) -> EyelidNetwork:
    """Train a network.

    Args:
        faces: folder of portraits, see ``corpus.photo.stills.find_stills``; its training split is used. None:
            drawn presenters only.
        settings: size of the training.

    Raises:
        InputError: the folder has another form.
    """
    s = settings or FitSettings()
    return train_eyelids(eye_material(faces, "train", s.photographs, s.drawn, s.poses, s.closures), s)


def train_eyelids(eyes: EyePatches, settings: FitSettings) -> EyelidNetwork:
    """Train on ``eyes``; see :func:`fit_eyelids`."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    network = EyelidNetwork()
    mean: EyelidNetwork = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=1e-3)
    schedule = one_cycle(optimizer, settings.steps, 200)
    progress = tqdm(range(settings.steps), desc="fitting", unit="step", mininterval=1)
    recent = 0.0
    for step in progress:
        patches, target, closure = _batch(eyes, settings.batch, generator)
        loss = eyelid_loss(change_patches(patches, network(patches, closure)), patches, target)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        update_average(mean, network, step, settings.average)
        recent += 0.02 * (loss.item() - recent) if step else loss.item()
        progress.set_postfix(loss=f"{recent:.4f}", refresh=False)
    mean.eval()
    return mean


def eyelid_loss(made: Tensor, before: Tensor, target: Tensor) -> Tensor:
    """Mean difference of (n, 3, h, w) pictures and of their edges, weighted where the lid moves."""
    weight = 1 + _MOVED * (target - before).abs().mean(1, keepdim=True)
    error = made - target
    across, down = error.diff(dim=3).abs(), error.diff(dim=2).abs()
    edges = (weight[..., 1:] * across).mean() + (weight[..., 1:, :] * down).mean()
    return (weight * error.abs()).mean() + _EDGES * edges


def _batch(eyes: EyePatches, count: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Random eyes: open, closing, and their closures; in random light, some blurred, the input noisy."""
    which = torch.randint(len(eyes.open), (count,), generator=generator)
    how = torch.randint(eyes.closure.shape[1], (count,), generator=generator)
    pair = torch.stack([eyes.open[which], eyes.closing[which, how]]).float() / 255
    light = torch.rand(2, 1, count, 3, 1, 1, generator=generator)
    common = torch.rand(2, 1, count, 1, 1, 1, generator=generator)
    pair = (0.6 + 0.2 * light[0] + 0.4 * common[0]) * pair + 0.06 * (light[1] - 0.5) + 0.1 * (common[1] - 0.5)
    pair = pair.clamp(0, 1)
    blurred = torch.rand(count, generator=generator) < 0.4
    if blurred.any():
        soft = pair[:, blurred].flatten(0, 1)
        factor = float(1.3 + 1.2 * torch.rand(1, generator=generator))
        small = F.interpolate(soft, scale_factor=1 / factor, mode="area")
        soft = F.interpolate(small, soft.shape[-2:], mode="bilinear", align_corners=False)
        pair[:, blurred] = soft.view(2, -1, *soft.shape[1:])
    noise = 0.01 * torch.randn(pair[0].shape, generator=generator)
    return (pair[0] + noise).clamp(0, 1), pair[1], eyes.closure[which, how]
