"""FID: distance of generated frames from real ones, as pytorch-fid defines it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..figures import column
from ..networks.inception import FEATURES, SIDE, FidInception
from .frechet import Moments, frechet_distance

SEEN = (
    f"every frame of every video at 25 per second, whole; resized to {SIDE} x {SIDE} (bilinear, not "
    "antialiased, sides not kept in proportion), -1..1"
)
NOTE = (
    f"FID: squared Fréchet distance of {FEATURES} features of Inception (pytorch-fid). It depends on the "
    f"number of frames: below {FEATURES} the covariance is singular, and the figure is too high."
)


@dataclass(frozen=True)
class FidFigures:
    """FID of generated videos.

    Attributes:
        fid: the distance; 0 if nothing differs.
        frames: how many generated frames it is of.
        real_frames: how many real ones.
    """

    fid: float = column("FID")
    frames: int = column("frames")
    real_frames: int = column("real frames")


@torch.inference_mode()
def fid_features(network: FidInception, frames: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 2048)."""
    pictures = frames.permute(0, 3, 1, 2).float() / 255
    found: Tensor = network(F.interpolate(pictures, (SIDE, SIDE), mode="bilinear") * 2 - 1)
    return found


def score_fid(generated: Moments, real: Moments) -> FidFigures:
    """FID from the moments of the features.

    Raises:
        InputError: there are fewer than two frames.
    """
    return FidFigures(frechet_distance(generated, real), generated.count, real.count)
