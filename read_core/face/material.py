"""Training material of the face finder: portraits with known points, and pictures without faces."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import MediaError
from .network import FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
_MARGIN = 80  # pixels of reflected border around a portrait
_DRAWN_SIDE = 320  # pixels of a drawn presenter
# The mesh of mediapipe: corners of the eyes and of the mouth, and the outline of the face.
_CORNERS = ((33, 133), (263, 362), (61, 291))
_OUTLINE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_TOP_OF_SKULL = 0.85  # share of a drawn skull's height at which the mesh of a photographed face would end
# Words in the path of a picture that may show a person or a face.
_PEOPLE = (
    *("astronaut", "camera", "grace_hopper", "lfw", "people", "faces", "toy", "santa", "statue", "totem"),
    *(
        "tux",
        "bunny",
        "chick",
        "jackolantern",
        "pengwin",
        "penguin_with",
        "spider",
        "teddy",
        "money",
        "ladybug",
    ),
    *("final-roll-call", "fireman", "paratrooper", "spacewalk", "bluebird", "trainsign", "toilets"),
)
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Portrait:
    """One face with its points.

    Attributes:
        picture: RGB, with a reflected border.
        points: (3, 2) eyes and mouth, pixels of the picture.
        outline: (K, 2) the face's outline from chin to forehead, pixels of the picture.
        features: (16, 2), see :func:`read_core.face.finder.read_features`; those unknown are not a number.
    """

    picture: Image.Image
    points: NDArray[np.float64]
    outline: NDArray[np.float64]
    features: NDArray[np.float64]


def photographs(folder: Path, split: str) -> list[Portrait]:
    """Read the portraits of one split of ``folder``: images/, index.json and landmarks.npy (N, 478, 3).

    Raises:
        MediaError: one of the three is missing.
    """
    index, landmarks = folder / "index.json", folder / "landmarks.npy"
    if not index.is_file() or not landmarks.is_file():
        raise MediaError(f"{folder} holds no index.json and landmarks.npy; expected faces with both")
    found = []
    meshes = np.load(landmarks)[..., :2].astype(np.float64)
    for entry, mesh in zip(json.loads(index.read_text()), meshes, strict=True):
        name = entry["file"]
        if split_of(name) == split:
            points = np.stack([mesh[list(pair)].mean(0) for pair in _CORNERS])
            with Image.open(folder / "images" / name) as picture:
                outline, features = mesh[list(_OUTLINE)], mesh[list(FEATURES)]
                found.append(_with_margin(picture.convert("RGB"), points, outline, features))
    return found


def split_of(name: str) -> str:
    """The split of a face by the last two digits of its file's number."""
    number = int(Path(name).stem.rsplit("-", 1)[1]) % 100
    return "test" if number < 8 else "validation" if number < 16 else "train"


def drawn_presenters(count: int, split: str, seed: int = 0) -> list[Portrait]:
    """Drawn presenters in one random pose each, with random mouths."""
    import torch

    from ..corpus.drawing.canvas import head_pose
    from ..corpus.drawing.head import FACE_MIDDLE
    from ..corpus.drawing.presenter import sample_presenter
    from ..corpus.drawing.render import cut, render
    from ..corpus.drawing.state import make_state
    from ..corpus.motion import sample_motion

    generator = torch.Generator().manual_seed(seed)
    angles = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    found = []
    for _ in range(count):
        face = int(torch.randint(2**40, (1,), generator=generator))
        presenter = sample_presenter(face, split)
        frame = int(torch.randint(150, (1,), generator=generator))
        motion = cut(sample_motion(face, 150, split=split), frame, frame + 1)
        opening, wide, rounding = torch.rand(3, generator=generator).tolist()
        mouth = torch.tensor([[max(0.0, 0.8 * opening - 0.3), 1.4 * wide - 0.7, 0.6 * rounding]])
        pixels = render(presenter, motion, mouth, _DRAWN_SIDE)[0]
        state = make_state(motion, mouth)
        pose = head_pose(presenter, motion, _DRAWN_SIDE, _DRAWN_SIDE)
        eye = presenter.eye_spacing
        marks = ((-eye, presenter.eye_y), (eye, presenter.eye_y), (0.0, presenter.mouth_y))
        places = np.array([[float(value) for value in state.place(presenter, *mark)[:2]] for mark in marks])
        points = np.stack(pose.to_pixels(places[:, :1], places[:, 1:]), axis=2)
        below = np.sin(angles) > 0
        height = np.where(below, presenter.chin - FACE_MIDDLE, _TOP_OF_SKULL * presenter.face_top)
        outline = np.stack(
            pose.to_pixels(
                (presenter.face_width * np.cos(angles))[:, None],
                (FACE_MIDDLE + height * np.sin(angles))[:, None],
            ),
            axis=2,
        )
        picture = Image.fromarray((pixels.numpy() * 255).round().astype(np.uint8))
        unknown = np.full((len(FEATURES), 2), math.nan)
        found.append(_with_margin(picture, points[:, 0], outline[:, 0], unknown))
    return found


def backgrounds(folders: Sequence[Path], longest: int) -> list[Image.Image]:
    """Read the pictures under ``folders``, each once, in order of paths; RGBA with transparency.

    Larger ones are shrunk to ``longest`` pixels.

    Pictures below 100 pixels, and those whose path indicates a person, are left out.

    Raises:
        MediaError: a folder is missing or contains no picture.
    """
    found: list[Image.Image] = []
    seen: list[NDArray[np.float32]] = []
    for folder in folders:
        before = len(found)
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _PICTURES):
            inside = str(path.relative_to(folder.parent)).lower()
            if any(word in inside for word in _PEOPLE):
                continue
            picture = _open(path, longest)
            if picture is None:
                continue
            small = np.asarray(picture.convert("RGB").resize((16, 16)), np.float32)
            if not any(np.abs(small - other).mean() < 8 for other in seen):
                seen.append(small)
                found.append(picture)
        if len(found) == before:
            raise MediaError(f"{folder} holds no picture; expected JPEG or PNG pictures without people")
    return found


def box_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The box (4,) around points (n, 2): left, top, right, bottom."""
    return np.concatenate([points.min(0), points.max(0)])


def _open(path: Path, longest: int) -> Image.Image | None:
    with Image.open(path) as file:
        if min(file.size) < 100:
            return None
        file.draft("RGB", (longest, longest))
        cut_out = file.has_transparency_data
        picture = file.convert("RGBA" if cut_out else "RGB")
        picture.thumbnail((longest, longest))
        if cut_out and np.asarray(picture)[..., 3].min() > 0:
            return picture.convert("RGB")
        return picture


def _with_margin(
    picture: Image.Image,
    points: NDArray[np.float64],
    outline: NDArray[np.float64],
    features: NDArray[np.float64],
) -> Portrait:
    pixels = np.pad(np.asarray(picture), ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="reflect")
    return Portrait(Image.fromarray(pixels), points + _MARGIN, outline + _MARGIN, features + _MARGIN)
