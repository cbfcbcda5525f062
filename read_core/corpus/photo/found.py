"""Read a folder of any portraits. The face finder provides their meshes."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ...errors import InputError, MediaError, ignore
from ...face.alignment import FaceLayout, face_crop
from ...face.finder import find_faces
from ...face.framing import flaw_of
from ...media import read_image
from ...media.files import written_whole
from .mesh import mesh_of
from .stills import INDEX, LANDMARKS, lip_gap_of, split_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
_REASONS = {
    "cut": "the border cuts the face",
    "small": "the face is small",
    "tilted": "the face is not upright",
    "turned": "the face is turned away",
}
_OPEN_GAP = 0.085  # of the lips as read, by the eye distance; that of laughing mouths is read too small
_SHOWN = 3  # names per reason in the report


@dataclass
class Found:
    """What became of the pictures of a folder.

    Attributes:
        used: number of portraits.
        refused: reason -> the names of the pictures that are left out for it.
    """

    used: int = 0
    refused: dict[str, list[str]] = field(default_factory=dict)

    def text(self) -> str:
        """One line for the user."""
        parts = []
        for reason, names in self.refused.items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            parts.append(f"{reason}: {len(names)} ({', '.join(names[:_SHOWN])}{more})")
        left_out = f"; left out: {'; '.join(parts)}" if parts else ""
        return f"{self.used} portraits found{left_out}"


def find_portraits(folder: Path, out: Path, size: int) -> Found:
    """Find the largest face of every picture under a folder and write ``index.json`` and ``landmarks.npy``.

    ``out`` is then a folder for :func:`stills.find_stills`; the pictures stay where they are. A picture is
    left out when it cannot be read, shows no face, or shows one that is cut by the border, smaller than the
    video, turned by more than 60 degrees, turned away, or has its mouth open.

    Args:
        folder: of pictures, looked through with its subfolders.
        out: folder of the two files, made where it is missing.
        size: of the video, pixels.

    Raises:
        InputError: no such folder, or no portrait to use in it.
        MediaError: the files cannot be written.
    """
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not pictures:
        raise InputError(f"{folder} holds no picture; expected portraits: JPEG, PNG, WebP, TIFF or BMP files")
    index: list[dict[str, str | float]] = []
    meshes: list[Tensor] = []
    report = Found()
    for path in tqdm(pictures, f"faces of {folder}", unit="picture", disable=None):
        name = str(path.relative_to(folder))
        mesh = _mesh_in(path, size)
        if isinstance(mesh, str):
            report.refused.setdefault(mesh, []).append(name)
            continue
        gap = lip_gap_of(mesh)
        if gap >= _OPEN_GAP:
            report.refused.setdefault("the mouth is open", []).append(name)
            continue
        index.append({"file": str(path.resolve()), "lip_gap": round(gap, 4), "split": _split_of(name)})
        meshes.append(mesh)
    report.used = len(index)
    if not index:
        raise InputError(f"{folder}: {report.text()}; expected upright portraits that look into the camera")
    _write(out, json.dumps(index, indent=1), torch.stack(meshes).numpy())
    return report


def _mesh_in(path: Path, size: int) -> Tensor | str:
    """The mesh (478, 3) of the largest face in a picture, or why there is none."""
    try:
        image = read_image(path, ignore)
    except MediaError:
        return "it cannot be read"
    faces = find_faces(image)
    if not len(faces):
        return "no face"
    points = faces.points[0]
    crop = face_crop(points, (size, size))
    flaw = flaw_of(points, crop, image.shape, size, FaceLayout())
    return mesh_of(faces.features[0]) if flaw is None else _REASONS[flaw]


def _split_of(name: str) -> str:
    """The split of a picture: by its number, as of other folders, or, without one, by its name's digest."""
    if re.search(r"\d", Path(name).stem):
        return split_of(name)
    digest = int.from_bytes(hashlib.sha256(Path(name).stem.encode()).digest()[:4], "big")
    return split_of(f"{digest % 100}")


def _write(out: Path, index: str, meshes: NDArray[np.float32]) -> None:
    """Write both files, each whole or not at all.

    Raises:
        MediaError: one cannot be written.
    """
    for name in (LANDMARKS, INDEX):
        target = out / name
        with written_whole(target) as temporary:
            out.mkdir(parents=True, exist_ok=True)
            if name == INDEX:
                temporary.write_text(index)
            else:
                with temporary.open("wb") as file:
                    np.save(file, meshes)
