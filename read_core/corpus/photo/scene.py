"""One video of a talking photograph: everything in it follows from a few values."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ...geometry import FPS
from ...media import read_image
from ..motion import Motion, sample_motion
from ..scene import loudness, recorded
from ..utterance import sample_utterance
from .anatomy import eyes_and_mouth
from .puppet import MARGIN, Puppet, eye_boxes, make_puppet, mouth_boxes, render_puppet
from .stills import Still, find_stills

PHOTO_LAYOUT = (0.28, 0.36, 0.66)
"""Eye distance, height of the eyes and height of the mouth, by the crop's side."""
_ZOOM, _SHIFT, _ROLL = 0.06, 0.02, math.radians(3)  # of the framing, around the alignment
_SHARPER = 1.5  # resolution of the still by that of the video


@dataclass(frozen=True)
class PhotoScene:
    """A video before it is drawn: F = 25 x ``seconds`` frames of ``size`` x ``size`` pixels.

    Attributes:
        faces: folder of portraits, see ``stills.find_stills``.
        layout: eye distance, height of the eyes and height of the mouth in the crop, shares of its side.
        motion: strength of the head's motion; 1 is that of the drawn presenters.
    """

    seed: int
    split: str
    seconds: float
    size: int
    faces: Path
    synthesiser: str = "espeak"
    layout: tuple[float, float, float] = PHOTO_LAYOUT
    motion: float = 0.8

    @property
    def name(self) -> str:
        """Unique within a split."""
        return f"photo-{self.synthesiser}-{self.seed:06d}"

    def check(self) -> None:
        """Raise InputError where a value that is not the size, seconds or split is out of range."""
        find_stills(self.faces, self.split)

    def draw(self) -> dict[str, Tensor]:
        """Speak, move and draw the scene; returns and raises as ``corpus.scene.Scene.draw``."""
        rng = random.Random(_key("photo", self))
        still = pick_still(self)
        utterance = sample_utterance(self.seed, self.seconds, self.split, self.synthesiser)
        count = len(utterance.mouth)
        energy = loudness(utterance.waveform, count)
        motion = _photographed(sample_motion(self.seed, count, energy, self.split), energy, self.motion)
        puppet, _ = load_puppet(still, self, rng)
        if puppet.covered:
            motion = dataclasses.replace(motion, blink=torch.zeros(count))
        frames = render_puppet(puppet, motion, from_rest(utterance.mouth, puppet), self.size)
        return {
            **recorded(frames, utterance),
            "boxes": mouth_boxes(puppet, motion, self.size),
            "eyes": eye_boxes(puppet, motion, self.size),
            "blink": motion.blink,
        }


def pick_still(scene: PhotoScene) -> Still:
    """The portrait that belongs to the scene's seed: all of a split come up before one comes again."""
    stills = find_stills(scene.faces, scene.split)
    order = list(range(len(stills)))
    random.Random(f"order/{scene.split}/{scene.seed // len(stills)}").shuffle(order)
    return stills[order[scene.seed % len(stills)]]


def load_puppet(still: Still, scene: PhotoScene, rng: random.Random) -> tuple[Puppet, Tensor]:
    """Cut the scene's crop out of a portrait; returns the puppet and its landmarks in the crop."""
    image = read_image(still.path).permute(2, 0, 1)
    zoom = math.exp(rng.uniform(-_ZOOM, _ZOOM))
    shift = torch.tensor([rng.uniform(-_SHIFT, _SHIFT), rng.uniform(-_SHIFT, _SHIFT)])
    side, turn, corner = _alignment(
        eyes_and_mouth(still.landmarks), scene.layout, rng.uniform(-_ROLL, _ROLL), zoom
    )
    corner = corner + turn @ (shift * side)
    pixels = round(scene.size * _SHARPER * (1 + 2 * MARGIN))
    steps = ((torch.arange(pixels) + 0.5) / pixels) * (1 + 2 * MARGIN) - MARGIN
    crop = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    places = corner + crop @ turn.T * side
    extent = torch.tensor([image.shape[2], image.shape[1]])
    grid = (places / extent * 2 - 1)[None]
    canvas = F.grid_sample(image[None], grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    points = (still.landmarks[:, :2] - corner) @ turn / side
    landmarks = torch.cat([points, still.landmarks[:, 2:] / side], dim=1)
    return make_puppet(canvas[0].clamp(0, 1), landmarks, rng), landmarks


def _alignment(
    points: Tensor, layout: tuple[float, float, float], roll: float, zoom: float
) -> tuple[float, Tensor, Tensor]:
    """Side, rotation (2, 2) and upper left corner of the crop in the portrait, for (3, 2) eyes and mouth."""
    distance, eyes, mouth = layout
    target = torch.tensor([[0.5 - distance / 2, eyes], [0.5 + distance / 2, eyes], [0.5, mouth]])
    p, t = points - points.mean(0), target - target.mean(0)
    # The least-squares similarity from the crop to the portrait (Umeyama, in two dimensions).
    a = (t * p).sum() / t.square().sum()
    b = (t[:, 0] * p[:, 1] - t[:, 1] * p[:, 0]).sum() / t.square().sum()
    side, angle = float(torch.hypot(a, b)) * zoom, math.atan2(float(b), float(a)) + roll
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = torch.tensor([0.5, 0.5])
    corner = points.mean(0) + turn @ ((middle - target.mean(0)) * side / zoom) - turn @ (middle * side)
    return side, turn, corner


def from_rest(track: Tensor, puppet: Puppet) -> Tensor:
    """The track, begun with the still's own opening, which fades out within a third of a second."""
    rest = puppet.face.mouth.gap * puppet.face.mouth.axes.half / (puppet.opening * puppet.face.eye_distance)
    fade = (1 - torch.arange(len(track)) / 8).clamp(min=0)
    result = track.clone()
    result[:, 0] = torch.maximum(track[:, 0], rest * fade)
    result[0] = torch.tensor([rest, 0.0, 0.0])
    return result


def _photographed(motion: Motion, energy: Tensor, strength: float) -> Motion:
    """Weaker turns, calmer between sentences."""
    width = 2 * FPS
    padded = F.pad(energy[None, None], (width // 2, width - width // 2 - 1), mode="replicate")
    busy = F.avg_pool1d(padded, width, 1)[0, 0]
    calm = strength * (0.5 + 0.5 * (busy / 0.25).clamp(max=1))
    names = ("yaw", "pitch", "roll", "x", "y", "scale")
    return dataclasses.replace(motion, **{name: getattr(motion, name) * calm for name in names})


def _key(purpose: str, scene: PhotoScene) -> int:
    digest = hashlib.sha256(f"{purpose}/{scene.split}/{scene.seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
