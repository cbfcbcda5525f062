"""Training data of a reader of faces: photographs and drawn presenters with random mouths and eyelids."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from .face_reader import GAP, VALUES, box_places
from .fit import random_mouths
from .reader import SIDE

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ..corpus.motion import Motion
    from ..corpus.photo.stills import Still

GROUP = 8
"""Pictures per face. Each two have the same pose, so that they can be mixed."""
_FRAMES = 200  # frames of the motion from which poses are drawn
_STRENGTH = 0.8  # of the head's motion on photographs


@dataclass(frozen=True)
class FaceExamples:
    """N faces.

    Attributes:
        pictures: (N, GROUP, 3, SIDE, SIDE) uint8.
        values: (N, GROUP, 5) open, width, round, left lid, right lid; nan if a picture does not show it.
        places: (N, GROUP, 3, 2), x and y in -1..1, of eyes and mouth.
    """

    pictures: Tensor
    values: Tensor
    places: Tensor


def draw_faces(stills: int, drawn: int, faces: Path | None, split: str, seed: int) -> FaceExamples:
    """Draw ``stills`` talking photographs from the folder ``faces`` and ``drawn`` presenters, of one split.

    The seed selects the training stills: seed 0 uses one half of them, every other seed the other half.
    """
    generator = torch.Generator().manual_seed(seed)
    count = stills + drawn
    examples = FaceExamples(
        torch.empty(count, GROUP, 3, SIDE, SIDE, dtype=torch.uint8),
        torch.empty(count, GROUP, VALUES),
        torch.empty(count, GROUP, 3, 2),
    )
    portraits = portraits_of(faces, split, seed) if stills else []
    for index in tqdm(range(count), desc="drawing faces", unit="face"):
        key = int(torch.randint(2**40, (1,), generator=generator))
        mouths, lids = random_mouths(GROUP, generator), _random_lids(GROUP, generator)
        motion = _poses(key, lids, generator)
        if index < stills:
            shown = _photograph(portraits[index % len(portraits)], split, key, motion, mouths)
        else:
            shown = _presenter(split, key, motion, mouths)
        for target, value in zip(vars(examples).values(), shown, strict=True):
            target[index] = value
    return examples


def portraits_of(faces: Path | None, split: str, seed: int) -> list[Still]:
    """The portraits for a seed: half of the training split, or all of another split.

    Raises:
        InputError: the folder is missing.
    """
    from ..corpus.photo.stills import find_stills
    from ..errors import InputError

    if faces is None:
        raise InputError("photographs need a folder of portraits; give one as faces")
    found = list(find_stills(faces, split))
    random.Random(f"reader/{split}").shuffle(found)
    if split == "train":
        found = found[: max(1, len(found) // 2)] if seed == 0 else found[len(found) // 2 :]
    return found


def _photograph(
    still: Still, split: str, key: int, motion: Motion, mouths: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    from ..corpus.photo.puppet import eye_boxes, mouth_boxes, render_puppet
    from ..corpus.photo.scene import PhotoScene, from_rest, load_puppet

    scene = PhotoScene(key, split, 1.0, SIDE, Path())
    puppet, _ = load_puppet(still, scene, random.Random(key))
    weaker = {name: _STRENGTH * getattr(motion, name) for name in ("yaw", "pitch", "roll", "x", "y", "scale")}
    motion = dataclasses.replace(motion, **weaker)
    # The first pose is the unchanged portrait, whose mouth may be open.
    mouths = torch.cat([from_rest(mouths[:1], puppet).expand(2, -1), mouths[2:]])
    blink = torch.zeros(GROUP) if puppet.covered else motion.blink.clone()
    gaze = motion.gaze.clone()
    blink[:2], gaze[:2] = 0, 0
    motion = dataclasses.replace(motion, blink=blink, gaze=gaze)
    frames = render_puppet(puppet, motion, mouths, SIDE)
    gap = puppet.opening * mouths[:, 0] * (1 - 0.25 * mouths[:, 2])
    values = _values(gap, mouths, motion.blink)
    if puppet.covered:
        values[:, 3:] = torch.nan
    places = _places(eye_boxes(puppet, motion, SIDE), mouth_boxes(puppet, motion, SIDE))
    return _bytes(frames), values, places


def _presenter(split: str, key: int, motion: Motion, mouths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    from ..corpus.drawing.presenter import sample_presenter
    from ..corpus.drawing.render import eye_boxes, mouth_box, render
    from ..corpus.framing import aligned
    from ..corpus.photo.scene import PHOTO_LAYOUT

    presenter = aligned(sample_presenter(key, split), key, split, PHOTO_LAYOUT)
    frames = render(presenter, motion, mouths, SIDE)
    gap = presenter.mouth_gap / (2 * presenter.eye_spacing) * mouths[:, 0]
    places = _places(eye_boxes(presenter, motion, SIDE), mouth_box(presenter, motion, SIDE))
    return _bytes(frames), _values(gap, mouths, motion.blink), places


def _poses(key: int, lids: Tensor, generator: Generator) -> Motion:
    """GROUP moments of a motion, each pose twice, with the given lids and a random gaze."""
    from ..corpus.motion import sample_motion

    moving = sample_motion(key, _FRAMES)
    which = torch.randint(_FRAMES, (GROUP // 2,), generator=generator).repeat_interleave(2)
    poses = type(moving)(**{name: track[which] for name, track in vars(moving).items()})
    gaze = (0.4 * torch.randn(GROUP, 2, generator=generator)).clamp(-1, 1)
    return dataclasses.replace(poses, blink=lids, gaze=gaze)


def _random_lids(count: int, generator: Generator) -> Tensor:
    """(count,): half of them open, a quarter shut, the others between."""
    kind = torch.rand(count, generator=generator)
    between = torch.rand(count, generator=generator)
    return torch.where(kind < 0.5, 0.0, torch.where(kind < 0.75, 1.0, between))


def _values(gap: Tensor, mouths: Tensor, blink: Tensor) -> Tensor:
    return torch.cat([gap[:, None] / GAP, mouths[:, 1:], blink[:, None].expand(-1, 2)], dim=1)


def _places(eyes: Tensor, mouth: Tensor) -> Tensor:
    """Places for a reader, from pixel boxes (F, 2, 4) and (F, 4): (F, 3, 2), in -1..1."""
    return box_places(eyes, mouth) * 2 / SIDE - 1


def _bytes(frames: Tensor) -> Tensor:
    return (frames.permute(0, 3, 1, 2) * 255).round().to(torch.uint8)
