"""Head motion, gaze, blinks and brows of a drawn presenter: smooth, small, and neutral in frame 0."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..eyelids.times import PAUSE, SHAPES
from ..geometry import FPS
from .speech.sentences import check_split

GAZE_PER_TURN = 2.0
SETTLE = 2.0  # seconds over which the pose leaves the neutral pose of frame 0


@dataclass(frozen=True)
class Motion:
    """Movement over F frames at 25 fps, float32.

    yaw, pitch, roll: (F,) radians; positive turns to the picture's right, down, clockwise.
    x, y: (F,) shift of the head in head units (fractions of the picture's shorter side).
    scale: (F,) relative change of size around 0.
    gaze: (F, 2) horizontal and vertical, -1..1. blink: (F,) 0 open .. 1 closed.
    brows: (F,) -1..1, up positive.
    """

    yaw: Tensor
    pitch: Tensor
    roll: Tensor
    x: Tensor
    y: Tensor
    scale: Tensor
    gaze: Tensor
    blink: Tensor
    brows: Tensor

    def __len__(self) -> int:
        return len(self.yaw)


def neutral_motion(frames: int) -> Motion:
    """A presenter who does not move: every track zero for `frames` frames."""
    tracks = {name: torch.zeros(frames) for name in Motion.__dataclass_fields__ if name != "gaze"}
    return Motion(gaze=torch.zeros(frames, 2), **tracks)


def sample_motion(seed: int, frames: int, energy: Tensor | None = None, split: str = "train") -> Motion:
    """Draw the motion of `frames` frames. The same arguments give the same motion.

    energy: (F,) loudness of the speech per frame, 0..1; louder syllables cause slight nods and raised brows.
    split: "train", "validation" or "test"; their motions differ. Frame 0 has the neutral pose, open eyes and
    a straight gaze. Raises InputError when frames < 1, energy has another length or there is no such split.
    """
    if frames < 1:
        raise InputError(f"a motion of {frames} frames requested; expected at least 1")
    if energy is not None and energy.shape != (frames,):
        raise InputError(f"energy has shape {tuple(energy.shape)}; expected ({frames},), one value per frame")
    generator, rng = _streams(seed, check_split(split))
    liveliness = rng.uniform(0.6, 1.2)

    slow = _noise(generator, 6, frames, seconds=0.9)
    quick = _noise(generator, 6, frames, seconds=0.35)
    #                       yaw    pitch  roll   x      y      scale
    strength = torch.tensor([0.075, 0.045, 0.030, 0.010, 0.006, 0.010])
    tremor = torch.tensor([0.008, 0.006, 0.004, 0.001, 0.001, 0.000])
    pose = liveliness * (strength[:, None] * slow + tremor[:, None] * quick)
    pose = _from_neutral(pose)
    brows = 0.25 * _from_neutral(_noise(generator, 1, frames, seconds=0.7))[0]
    if energy is not None:
        accent = _accents(energy.detach().cpu().float())
        pose[1] += 0.045 * liveliness * accent
        pose[4] += 0.006 * liveliness * accent
        brows = brows + 0.5 * rng.uniform(0.2, 1.0) * accent
    gaze = _gaze(rng, frames)
    gaze -= GAZE_PER_TURN * pose[:2].T  # the eyes stay on the camera while the head turns
    yaw, pitch, roll, x, y, scale = pose
    return Motion(
        yaw=yaw.clamp(-0.25, 0.25),
        pitch=pitch.clamp(-0.18, 0.18),
        roll=roll.clamp(-0.12, 0.12),
        x=x.clamp(-0.04, 0.04),
        y=y.clamp(-0.03, 0.03),
        scale=scale.clamp(-0.04, 0.04),
        gaze=gaze.clamp(-1.0, 1.0),
        blink=_blinks(rng, frames),
        brows=brows.clamp(-1.0, 1.0),
    )


def _streams(seed: int, split: str) -> tuple[torch.Generator, random.Random]:
    if split == "train":
        return torch.Generator().manual_seed(seed), random.Random(f"motion/{seed}")
    name = f"motion/{split}/{seed}"
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return torch.Generator().manual_seed(key), random.Random(name)


def _noise(generator: torch.Generator, channels: int, frames: int, seconds: float) -> Tensor:
    """(channels, frames) unit-variance noise smoothed by a Gaussian of `seconds` standard deviation."""
    width = seconds * FPS
    radius = int(3 * width)
    white = torch.randn(channels, 1, frames + 2 * radius, generator=generator)
    return F.conv1d(white, _bell(width, radius, power=True)[None, None])[:, 0]


def _bell(width: float, radius: int, power: bool) -> Tensor:
    """Gaussian kernel (2 radius + 1,), of unit power (keeps noise's variance) or of unit sum."""
    bell = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / width) ** 2)
    return bell / (bell.square().sum().sqrt() if power else bell.sum())


def _from_neutral(tracks: Tensor) -> Tensor:
    """Subtract each track's first value, fading out over some seconds: 0 in frame 0, unchanged later."""
    time = torch.arange(tracks.shape[-1]) / FPS
    return tracks - tracks[:, :1] * torch.exp(-0.5 * (time / SETTLE) ** 2)


def _accents(energy: Tensor) -> Tensor:
    """(F,) energy smoothed over a syllable minus its average over a phrase; 0 in frame 0."""

    def smooth(width: float) -> Tensor:
        radius = int(3 * width)
        padded = F.pad(energy[None, None], (radius, radius), mode="replicate")
        return F.conv1d(padded, _bell(width, radius, power=False)[None, None])[0, 0]

    return _from_neutral((smooth(4.0) - smooth(20.0))[None])[0]


def _gaze(rng: random.Random, frames: int) -> Tensor:
    """(F, 2) fixations, mostly into the camera, joined by saccades of two or three frames."""
    gaze = torch.zeros(frames, 2)
    frame = int(rng.uniform(0.6, 2.0) * FPS)
    while frame < frames:
        if rng.random() < 0.55:
            target = (rng.gauss(0.0, 0.06), rng.gauss(0.0, 0.05))
        else:
            target = (rng.uniform(-0.6, 0.6), rng.uniform(-0.35, 0.3))
        gaze[frame:] = torch.tensor(target)
        frame += int(rng.uniform(0.6, 2.4) * FPS)
    kernel = torch.tensor([0.25, 0.5, 0.25])[None, None].expand(2, 1, 3)
    return F.conv1d(F.pad(gaze.T[None], (1, 1), mode="replicate"), kernel, groups=2)[0].T.contiguous()


def _blinks(rng: random.Random, frames: int) -> Tensor:
    """(F,) lids: quick down, slower up, 5 to 7 frames long, 2 to 6 s apart; none in the first half second."""
    blink = torch.zeros(frames)
    frame = int(rng.uniform(0.5, 4.0) * FPS)
    while frame < frames:
        shape = torch.tensor(rng.choice(SHAPES))
        room = min(len(shape), frames - frame)
        blink[frame : frame + room] = shape[:room]
        frame += int(rng.uniform(*PAUSE) * FPS)
    return blink
