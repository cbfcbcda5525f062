"""A small network that reads mouth and eyelids of an aligned face, photographed or drawn.

``evaluation/metrics/face.py`` measures with one such network. The VAE is trained with another one.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..pictures import sampled
from ..weights.bundled import load_bundled
from .reader import relative

WEIGHTS = Path(__file__).with_name("face.safetensors")
GAP = 0.37
"""Distance of the lips at open = 1, relative to the eye distance."""
VALUES = 5  # open, width, round, lid on the picture's left, the other lid

_BELOW = 0.14  # how far the center of a mouth's box is below the corners, relative to the eye distance
_MOUTH, _MOUTH_REACH = (
    48,
    0.85,
)  # pixels of the crop around the mouth; half its side relative to the eye distance
_EYE, _EYE_REACH = 32, 0.42


class FaceReader(nn.Module):
    """Reads mouth and eyes in crops, with size and rotation given by the eyes; 70,000 parameters.

    It sees colors relative to mean and spread of each crop, so skin tone and light have little effect.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mouth = _reading(16, _MOUTH, 3)
        self.eye = _reading(12, _EYE, 1)

    def read(self, pictures: Tensor, places: Tensor) -> Tensor:
        """Open, width, round and both lids (B, 5), not clamped.

        Args:
            pictures: (B, 3, H, W), 0..1, H = W; made for 128 pixels.
            places: (B, 3, 2), x and y in -1..1: the eye on the picture's left, the other eye, the mouth. Each
                is the center of the box that contains it in all shapes, see :func:`box_places`.
        """
        return self.read_crops(*crops(pictures, places))

    def read_crops(self, mouths: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """The same, from the result of :func:`crops`."""
        lids = [self.eye(relative(eyes)) for eyes in (left, right)]
        return torch.cat([self.mouth(relative(mouths)), *lids], dim=1)


def box_places(eyes: Tensor, mouth: Tensor) -> Tensor:
    """Centers of eye boxes (..., 2, 4) and mouth boxes (..., 4): (..., 3, 2), in the units of the boxes."""
    boxes = torch.cat([eyes, mouth[..., None, :]], dim=-2)
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def point_places(points: Tensor) -> Tensor:
    """The same places, from the centers between the corners of eyes and mouth, (..., 3, 2)."""
    return _lowered(points, _BELOW)


def place_points(places: Tensor) -> Tensor:
    """The inverse of :func:`point_places`."""
    return _lowered(places, -_BELOW)


def crops(pictures: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mouths (B, 3, 48, 48), left eyes and, mirrored, right ones (B, 3, 32, 32), at ``places`` (B, 3, 2)."""
    left, right, mouth = places.unbind(1)
    across = right - left  # the eye distance, along the eyes
    return (
        _crop(pictures, mouth, _MOUTH_REACH * across, _MOUTH),
        _crop(pictures, left, _EYE_REACH * across, _EYE),
        _crop(pictures, right, _EYE_REACH * across, _EYE, mirrored=True),
    )


def load_face_reader(path: Path) -> FaceReader:
    """Load the network with weights written by ``face_fit.fit_face_reader`` to ``path``, frozen."""
    return load_bundled(FaceReader(), path)


def _lowered(points: Tensor, share: float) -> Tensor:
    """Eyes and mouth (..., 3, 2), with the mouth moved down the face by a share of the eye distance."""
    left, right, mouth = points.unbind(-2)
    across = right - left
    down = torch.stack([-across[..., 1], across[..., 0]], dim=-1)
    return torch.stack([left, right, mouth + share * down], dim=-2)


def _reading(channels: int, side: int, values: int) -> nn.Sequential:
    """A network from a crop (B, 3, side, side) to ``values``."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Conv2d(2 * channels, 2 * channels, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(2 * channels * (side // 8) ** 2, 32),
        nn.SiLU(),
        nn.Linear(32, values),
    )


def _crop(pictures: Tensor, middles: Tensor, across: Tensor, side: int, mirrored: bool = False) -> Tensor:
    """Squares of pictures around ``middles`` (B, 2) that reach ``across`` (B, 2) to their right edge."""
    steps = (torch.arange(side, device=pictures.device) + 0.5) * 2 / side - 1
    down = torch.stack([-across[:, 1], across[:, 0]], dim=1)
    x, y = (-steps if mirrored else steps)[None, None, :, None], steps[None, :, None, None]
    grid = middles[:, None, None] + x * across[:, None, None] + y * down[:, None, None]
    return sampled(pictures, grid)
