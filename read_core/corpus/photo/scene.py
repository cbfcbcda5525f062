"""One video of a talking photograph, fully determined by a few values."""

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

from ...face.alignment import FaceCrop, FaceLayout, cut_face, face_crop
from ...geometry import FPS
from ...media import read_image
from ..motion import GAZE_PER_TURN, Motion, sample_motion
from ..scene import loudness, recorded
from ..speech.utterance import Utterance, sample_utterance
from .anatomy import eyes_and_mouth
from .puppet import MARGIN, Puppet, eye_boxes, make_puppet, mouth_boxes, render_puppet
from .stills import Still, find_stills

PHOTO_LAYOUT = (0.28, 0.36, 0.66)
"""Eye distance, height of the eyes and height of the mouth, as shares of the crop's side."""
_ZOOM, _SHIFT, _ROLL = 0.06, 0.02, math.radians(3)  # variation of the framing around the alignment
_SHARPER = 1.5  # resolution of the still relative to the video


@dataclass(frozen=True)
class PhotoScene:
    """A video before it is drawn: F = 25 x ``seconds`` frames of ``size`` x ``size`` pixels.

    Attributes:
        faces: folder of portraits, see ``stills.find_stills``.
        layout: eye distance, height of the eyes and height of the mouth in the crop, as shares of its side.
        motion: strength of the head's motion; 1 is that of the drawn presenters.
    """

    seed: int
    split: str
    seconds: float
    size: int
    faces: Path
    synthesizer: str = "espeak"
    layout: tuple[float, float, float] = PHOTO_LAYOUT
    motion: float = 0.8

    @property
    def name(self) -> str:
        """Unique within a split."""
        return f"photo-{self.synthesizer}-{self.seed:06d}"

    def check(self) -> None:
        """Raise InputError if a value other than size, seconds or split is out of range."""
        find_stills(self.faces, self.split)

    def draw(self) -> dict[str, Tensor]:
        """Speak, move and draw the scene; returns and raises as ``corpus.scene.Scene.draw``."""
        puppet = puppet_of(self, pick_still(self))
        return render_video(
            self, puppet, sample_utterance(self.seed, self.seconds, self.split, self.synthesizer)
        )


def puppet_of(scene: PhotoScene, still: Still) -> Puppet:
    """A portrait, cut as the scene needs it and prepared for animation."""
    return load_puppet(still, scene, random.Random(_key("photo", scene)))[0]


def render_video(scene: PhotoScene, puppet: Puppet, utterance: Utterance) -> dict[str, Tensor]:
    """Animate the puppet with ``utterance``; return the same as :meth:`PhotoScene.draw`."""
    count = len(utterance.mouth)
    energy = loudness(utterance.waveform, count)
    motion = _photographed(sample_motion(scene.seed, count, energy, scene.split), energy, scene.motion)
    if puppet.covered:
        motion = dataclasses.replace(motion, blink=torch.zeros(count))
    track = from_rest(utterance.mouth, puppet)
    frames = render_puppet(puppet, motion, track, scene.size)
    return {
        **recorded(frames, utterance.waveform, track),
        "boxes": mouth_boxes(puppet, motion, scene.size),
        "eyes": eye_boxes(puppet, motion, scene.size),
        "blink": motion.blink,
    }


def pick_still(scene: PhotoScene) -> Still:
    """The portrait for the scene's seed; all portraits of a split are used before one is repeated."""
    stills = find_stills(scene.faces, scene.split)
    order = list(range(len(stills)))
    random.Random(f"order/{scene.split}/{scene.seed // len(stills)}").shuffle(order)
    return stills[order[scene.seed % len(stills)]]


def load_puppet(still: Still, scene: PhotoScene, rng: random.Random) -> tuple[Puppet, Tensor]:
    """Cut the scene's crop out of a portrait; returns the puppet and its landmarks in the crop."""
    zoom = math.exp(rng.uniform(-_ZOOM, _ZOOM))
    shift = torch.tensor([rng.uniform(-_SHIFT, _SHIFT), rng.uniform(-_SHIFT, _SHIFT)])
    square = (scene.size, scene.size)
    crop = face_crop(eyes_and_mouth(still.landmarks), square, FaceLayout(*scene.layout))
    x, y = crop.to_original(0.5 + shift).tolist()
    crop = FaceCrop(x, y, zoom * crop.width, zoom * crop.height, crop.roll + rng.uniform(-_ROLL, _ROLL))
    wider = dataclasses.replace(
        crop, width=crop.width * (1 + 2 * MARGIN), height=crop.height * (1 + 2 * MARGIN)
    )
    pixels = round(scene.size * _SHARPER * (1 + 2 * MARGIN))
    canvas = cut_face(read_image(still.path), wider, (pixels, pixels))
    points = crop.to_crop(still.landmarks[:, :2])
    landmarks = torch.cat([points, still.landmarks[:, 2:] / crop.width], dim=1)
    return make_puppet(canvas.permute(2, 0, 1), landmarks, rng), landmarks


def from_rest(track: Tensor, puppet: Puppet) -> Tensor:
    """The track, starting with the still's opening, which fades out within a third of a second."""
    rest = puppet.face.mouth.gap * puppet.face.mouth.axes.half / (puppet.opening * puppet.face.eye_distance)
    fade = (1 - torch.arange(len(track)) / 8).clamp(min=0)
    result = track.clone()
    result[:, 0] = torch.maximum(track[:, 0], rest * fade)
    result[0] = torch.tensor([rest, 0.0, 0.0])
    return result


def _photographed(motion: Motion, energy: Tensor, strength: float) -> Motion:
    """Weaker head turns, calmer between sentences."""
    width = 2 * FPS
    padded = F.pad(energy[None, None], (width // 2, width - width // 2 - 1), mode="replicate")
    busy = F.avg_pool1d(padded, width, 1)[0, 0]
    calm = strength * (0.5 + 0.5 * (busy / 0.25).clamp(max=1))
    names = ("yaw", "pitch", "roll", "x", "y", "scale")
    calmer = {name: getattr(motion, name) * calm for name in names}
    # The eyes stay on the camera while the head turns: less than before.
    turned = torch.stack([motion.yaw - calmer["yaw"], motion.pitch - calmer["pitch"]], dim=1)
    gaze = (motion.gaze + GAZE_PER_TURN * turned).clamp(-1, 1)
    return dataclasses.replace(motion, gaze=gaze, **calmer)


def _key(purpose: str, scene: PhotoScene) -> int:
    digest = hashlib.sha256(f"{purpose}/{scene.split}/{scene.seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
