"""Training material of the eyelid network: the same eye open and closing, photographed and drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from tqdm import tqdm

from ..corpus.drawing.presenter import sample_presenter
from ..corpus.drawing.render import eye_boxes, render
from ..corpus.framing import aligned
from ..corpus.motion import Motion, sample_motion
from ..corpus.photo.anatomy import eyes_and_mouth
from ..corpus.photo.puppet import render_puppet
from ..corpus.photo.scene import PHOTO_LAYOUT, PhotoScene, load_puppet, pick_still
from ..geometry import FPS
from .patches import cut_patches, eye_axes

SIZE = 256  # pixels of the pictures that patches are cut from
_SECONDS = 8.0
_LOOSE = 0.025  # error of the eyes' places, relative to the eye distance
_LEAST = 0.08  # smallest closure of a lid that moves


@dataclass(frozen=True)
class EyePatches:
    """N eyes, each open and K times closing.

    Attributes:
        open: (N, 3, *GRID) uint8.
        closing: (N, K, 3, *GRID) uint8.
        closure: (N, K) float32, 0..1; the first is 1.
    """

    open: Tensor
    closing: Tensor
    closure: Tensor

    @classmethod
    def joined(cls, parts: list[EyePatches]) -> EyePatches:
        """All patches together."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def photographed_eyes(faces: Path, split: str, count: int, poses: int, closures: int) -> Iterator[EyePatches]:
    """Eyes of ``count`` talking photographs in several poses; dark glasses stay as they are.

    Args:
        faces: folder of portraits, see ``corpus.photo.stills.find_stills``.
        split: train, validation or test.
        count: photographs.
        poses: poses of the head for each.
        closures: closures of each eye in each pose.

    Raises:
        InputError: the folder has another form.
    """
    for seed in range(count):
        scene = PhotoScene(seed, split, _SECONDS, SIZE, faces)
        rng = Random(f"eyes/{split}/{seed}")
        puppet, landmarks = load_puppet(pick_still(scene), scene, rng)
        motion, closure = _posed(seed, split, poses, closures, rng)
        shut = dataclasses.replace(motion, blink=torch.zeros_like(motion.blink)) if puppet.covered else motion
        frames = render_puppet(puppet, shut, torch.zeros(len(motion), 3), SIZE)
        points = eyes_and_mouth(landmarks)[:2] * SIZE
        yield _patches(frames, points.expand(poses, 2, 2), closure, rng)


def drawn_eyes(split: str, count: int, poses: int, closures: int) -> Iterator[EyePatches]:
    """Eyes of ``count`` drawn presenters; see :func:`photographed_eyes`."""
    for seed in range(count):
        rng = Random(f"drawn eyes/{split}/{seed}")
        presenter = aligned(sample_presenter(seed, split), seed, split, PHOTO_LAYOUT)
        motion, closure = _posed(seed, split, poses, closures, rng)
        frames = render(presenter, motion, torch.zeros(len(motion), 3), SIZE)
        boxes = eye_boxes(presenter, motion, SIZE)[:: closures + 1]
        yield _patches(frames, (boxes[..., :2] + boxes[..., 2:]) / 2, closure, rng)


def _posed(seed: int, split: str, poses: int, closures: int, rng: Random) -> tuple[Motion, Tensor]:
    """Poses of a motion, each with open and then K times closing lids; and the closures (poses, K)."""
    frames = round(_SECONDS * FPS)
    motion = sample_motion(seed, frames, None, split)
    chosen = torch.tensor(sorted(rng.sample(range(frames), poses))).repeat_interleave(closures + 1)
    closure = torch.tensor(
        [[1.0, *(rng.uniform(_LEAST, 1) for _ in range(closures - 1))] for _ in range(poses)]
    )
    values = {f.name: getattr(motion, f.name)[chosen] for f in dataclasses.fields(Motion)}
    blink = torch.cat([torch.zeros(poses, 1), closure], dim=1).flatten()
    return Motion(**{**values, "blink": blink}), closure


def _patches(frames: Tensor, points: Tensor, closure: Tensor, rng: Random) -> EyePatches:
    """Cut both eyes out of the frames (poses (K + 1), S, S, 3); points (poses, 2, 2) in pixels."""
    poses, closures = closure.shape
    pictures = frames.permute(0, 3, 1, 2).reshape(poses, closures + 1, 3, SIZE, SIZE)
    found = []
    for pose in range(poses):
        loose = _LOOSE * float((points[pose, 1] - points[pose, 0]).norm())
        off = torch.tensor([[rng.gauss(0, loose), rng.gauss(0, loose)] for _ in range(2)])
        centers, axes = eye_axes(points[pose] + off)
        for center, own in zip(centers, axes, strict=True):
            many = (closures + 1, *center.shape), (closures + 1, *own.shape)
            found.append(cut_patches(pictures[pose], center.expand(many[0]), own.expand(many[1])))
    cut = (torch.stack(found) * 255).round().to(torch.uint8)
    return EyePatches(cut[:, 0], cut[:, 1:], closure.repeat_interleave(2, dim=0))


def eye_material(
    faces: Path | None, split: str, photographs: int, drawn: int, poses: int, closures: int
) -> EyePatches:
    """Eyes of photographs and of drawn presenters; see :func:`photographed_eyes`."""
    parts = []
    if faces is not None:
        made = photographed_eyes(faces, split, photographs, poses, closures)
        parts += list(tqdm(made, "photographed eyes", photographs, leave=False))
    parts += list(tqdm(drawn_eyes(split, drawn, poses, closures), "drawn eyes", drawn, leave=False))
    return EyePatches.joined(parts)
