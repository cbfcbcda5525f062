"""FVD: distance of generated clips from real ones, by the logits of I3D."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..figures import column
from ..networks.i3d import FEATURES, I3D, SIDE
from .frechet import Moments, frechet_distance

FRAMES = 16
"""Frames of a clip."""

SEEN = (
    f"clips of {FRAMES} frames at 25 per second, one after another from the first frame, the rest of a video "
    f"left out; whole frames, resized to {SIDE} x {SIDE} (bilinear, not antialiased, sides not kept in "
    "proportion), -1..1"
)
NOTE = (
    f"FVD: squared Fréchet distance of the {FEATURES} logits of I3D (Kinetics-400). It compares with figures "
    f"by this port of I3D (VideoGPT, TATS, cd-fvd) for clips of {FRAMES} frames and for as many clips; "
    "those by TensorFlow's module or by StyleGAN-V's TorchScript resize and pad a little differently. Below "
    f"{FEATURES} clips the covariance is singular, and the figure is too high."
)


@dataclass(frozen=True)
class FvdFigures:
    """FVD of generated videos.

    Attributes:
        fvd: the distance; 0 if nothing differs.
        clips: how many generated clips it is of.
        real_clips: how many real ones.
    """

    fvd: float = column("FVD")
    clips: int = column("clips")
    real_clips: int = column("real clips")


@torch.inference_mode()
def fvd_features(network: I3D, clips: Tensor) -> Tensor:
    """(N, f, H, W, 3) uint8, f at least 9 -> (N, 400)."""
    number, length = clips.shape[:2]
    pictures = clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
    small = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear") * 2 - 1
    found: Tensor = network(small.view(number, length, 3, SIDE, SIDE).transpose(1, 2))
    return found


def score_fvd(generated: Moments, real: Moments) -> FvdFigures:
    """FVD from the moments of the features.

    Raises:
        InputError: there are fewer than two clips.
    """
    return FvdFigures(frechet_distance(generated, real), generated.count, real.count)
