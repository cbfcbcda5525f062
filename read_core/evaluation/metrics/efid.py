"""E-FID: distance of the expressions of generated faces from those of real ones, by a 3D face model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...face.alignment import FaceCrop, cut_face
from ..figures import column
from ..networks.recon import FEATURES, SIDE, FaceReconstruction
from .frechet import Moments, frechet_distance

if TYPE_CHECKING:
    from ...face.finder import Faces

SEEN = (
    f"every frame at 25 per second in which a face is found, cropped to {SIDE} x {SIDE} as Deep3DFaceRecon "
    "does, upright, 102 pixels to the unit of its standard face; placed by both eyes and the mouth of "
    "read_core's finder (Deep3DFaceRecon uses five points and their depth); the border is repeated outside "
    "the picture"
)
NOTE = (
    f"E-FID: squared Fréchet distance of the {FEATURES} expression coefficients of Deep3DFaceRecon "
    "themselves; Inception takes no part."
)

_UNIT = 102  # pixels of the crop
_STANDARD = ((-0.31149, 0.29036), (0.30980, 0.28972), (-0.00185, -0.38131))
"""Both eyes and the middle of the mouth of the standard face, x to the right and y up, from its center."""


@dataclass(frozen=True)
class EfidFigures:
    """E-FID of generated videos.

    Attributes:
        efid: the distance; 0 if nothing differs.
        faces: how many generated faces it is of.
        real_faces: how many real ones.
    """

    efid: float = column("E-FID")
    faces: int = column("faces")
    real_faces: int = column("real faces")


def aligned_faces(frames: Iterable[Tensor], find: Callable[[Tensor], Faces]) -> Iterator[Tensor]:
    """One face of each frame that shows any, the largest at first and then the nearest to the last one.

    Args:
        frames: pictures (H, W, 3) uint8.
        find: finds the faces of a picture (H, W, 3), 0..1.

    Yields:
        (224, 224, 3), 0..1.
    """
    last: Tensor | None = None
    for frame in frames:
        picture = frame.float() / 255
        found = find(picture).points
        if len(found):
            last = found[0 if last is None else int((found - last).square().sum((1, 2)).argmin())]
            yield cut_face(picture, standard_crop(last), (SIDE, SIDE))


def standard_crop(points: Tensor) -> FaceCrop:
    """The upright square that shows a face as the network was trained on it.

    Its size and center come from the similarity that takes the standard face to the points, in least squares.

    Args:
        points: (3, 2) both eyes and the mouth, x and y in pixels.
    """
    there = torch.view_as_complex(points.double().contiguous())
    standard = torch.view_as_complex((torch.tensor(_STANDARD) * torch.tensor([1.0, -1.0])).double())
    around, own = there - there.mean(), standard - standard.mean()
    turn = (around * own.conj()).sum() / own.abs().square().sum()
    center = there.mean() - turn * standard.mean()
    side = float(turn.abs()) * SIDE / _UNIT
    return FaceCrop(float(center.real), float(center.imag), side, side)


@torch.inference_mode()
def efid_features(network: FaceReconstruction, faces: Tensor) -> Tensor:
    """(N, 224, 224, 3), 0..1 -> (N, 64)."""
    found: Tensor = network(faces.permute(0, 3, 1, 2))
    return found


def score_efid(generated: Moments, real: Moments) -> EfidFigures:
    """E-FID from the moments of the coefficients.

    Raises:
        InputError: there are fewer than two faces.
    """
    return EfidFigures(frechet_distance(generated, real), generated.count, real.count)
