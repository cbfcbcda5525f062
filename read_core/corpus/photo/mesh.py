"""Complete the finder's sixteen points to a face mesh, by a linear map fitted to many faces."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor

from ...face.alignment import FaceCrop, face_crop
from ...face.finder import middles
from ...face.network import FEATURES
from ...weights.files import read_tensors
from .anatomy import POINTS
from .stills import find_stills

WEIGHTS = Path(__file__).with_name("mesh.safetensors")

_SQUARE = (128, 128)  # of the crop in which meshes are compared; its layout is the default one
_NOISE = 0.006  # how exact the points are, by the crop's side: 2 % of the eye distance
_REPEATS = 8  # of each face in the fit, with other errors


def mesh_of(features: Tensor) -> Tensor:
    """Complete the mesh of a face from its features (16, 2), pixels: (478, 3), pixels and depth.

    The features are those of :func:`read_core.face.finder.read_features`, and stay nearly where they are. The
    rest, brows, outline and depth above all, is the likeliest.
    """
    crop = face_crop(middles(features[None])[0], _SQUARE)
    fitted = _fitted()
    away = (crop.to_crop(features) - fitted["mean"][FEATURES, :2]).flatten()
    mesh = fitted["mean"] + (away @ fitted["matrix"]).view(POINTS, 3)
    return torch.cat([crop.to_original(mesh[:, :2]), crop.width * mesh[:, 2:]], dim=1)


def fit_mesh(folder: Path, out: Path = WEIGHTS) -> None:
    """Fit the linear map from features to meshes to the training split of a folder, and write it.

    Raises:
        InputError: no folder of portraits.
    """
    from safetensors.torch import save_file

    meshes = torch.stack([_aligned(still.landmarks) for still in find_stills(folder, "train")])
    meshes = meshes.double().repeat(_REPEATS, 1, 1)
    mean = meshes.mean(0)
    features = meshes[:, FEATURES, :2] - mean[FEATURES, :2]
    noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = (features + _NOISE * noise).flatten(1)
    matrix = torch.linalg.lstsq(values, (meshes - mean).flatten(1)).solution.contiguous()
    save_file({"mean": mean.half(), "matrix": matrix.half()}, out)


def _aligned(mesh: Tensor) -> Tensor:
    """A mesh (478, 3) in its crop: fractions of the crop's side."""
    crop: FaceCrop = face_crop(middles(mesh[None, FEATURES, :2])[0], _SQUARE)
    return torch.cat([crop.to_crop(mesh[:, :2]), mesh[:, 2:] / crop.width], dim=1)


@functools.cache
def _fitted() -> dict[str, Tensor]:
    return {name: value.float() for name, value in read_tensors(WEIGHTS).items()}
