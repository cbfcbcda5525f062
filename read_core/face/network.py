"""The networks of the face finder: one searches a small picture, one reads a face, one its eyes and mouth."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)

STRIDE = 8  # pixels of the searched picture per cell of the map
SIDE = 64  # pixels of the close-up
POINT_SIDE = 40  # pixels of the close-up of one eye or mouth
EYE_POINTS, MOUTH_POINTS = 5, 6  # read in it; the first two are the corners
FEATURES = (33, 133, 159, 145, 468, 263, 362, 386, 374, 473, 61, 291, 0, 13, 14, 17)
"""The points that :class:`PointReader` reads of a face, by their numbers in the MediaPipe face mesh."""
_ANSWERS = 11  # per cell: score, box (4), three points (6)


class FaceFinder(nn.Module):
    """``search`` gives candidates on a map of cells, ``read`` checks each, ``point`` places its points.

    Args:
        norm: use batch normalization after every convolution, for training; :func:`fused` removes it.
    """

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.search = FaceSearch(norm)
        self.read = FaceReader(norm)
        self.point = PointReader(norm)


class FaceSearch(nn.Module):
    """Pictures (B, 3, H, W), 0..1, sides multiples of 16 -> outputs per cell (B, 11, H / 8, W / 8).

    It finds faces of 13 to 90 pixels, so a picture is searched in several sizes. The outputs are: a logit;
    the box's center relative to the cell's center, in cells; the logarithms of the box's width and height in
    cells; three points relative to the cell's center, in box sides.
    """

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(_Conv(3, 16, 3, 2, norm), _Conv(16, 24, 3, 2, norm))
        self.near = nn.Sequential(_Conv(24, 40, 3, 2, norm), _Residual(40, norm))
        self.far = nn.Sequential(_Conv(40, 64, 3, 2, norm), _Residual(64, norm))
        self.far_to_near = _Conv(64, 40, 1, 1, norm)
        self.at_near = _Conv(40, 40, 3, 1, norm)
        self.answer = nn.Conv2d(40, _ANSWERS, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Answers for every cell of pictures (B, 3, H, W), 0..1."""
        near = self.near(self.stem(2 * pictures - 1))
        far = self.far(near)
        near = self.at_near(near + F.interpolate(self.far_to_near(far), scale_factor=2.0))
        answers: Tensor = self.answer(near)
        return answers


class _Places(nn.Module):
    """Squares (B, 3, side, side), 0..1, to places in -1..1. Light and contrast of the whole do not matter.

    Each place is the mean of a map of attention over cells of 4 x 4 pixels.

    Args:
        widths: channels at a half, a quarter and an eighth of the size.
        places: how many are read.
        norm: as of :class:`FaceFinder`.
    """

    def __init__(self, widths: tuple[int, int, int], places: int, norm: bool) -> None:
        super().__init__()
        first, near, far = widths
        self.near = nn.Sequential(
            _Conv(3, first, 3, 2, norm), _Conv(first, near, 3, 2, norm), _Residual(near, norm)
        )
        self.far = nn.Sequential(_Conv(near, far, 3, 2, norm), _Residual(far, norm))
        self.far_to_near = _Conv(far, near, 1, 1, norm)
        self.at_near = _Conv(near, near, 3, 1, norm)
        self.attention = nn.Conv2d(near, places, 1)

    def places(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The coarse features (B, far, side / 8, side / 8) and the places (B, places, 2)."""
        mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
        spread = (pictures - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        near = self.near((pictures - mean) / (spread + 0.05))
        far = self.far(near)
        near = self.at_near(near + F.interpolate(self.far_to_near(far), scale_factor=2.0))
        maps = self.attention(near).flatten(2).softmax(dim=2).unflatten(2, near.shape[2:])
        steps = (torch.arange(near.shape[3], device=maps.device) + 0.5) * 2 / near.shape[3] - 1
        return far, torch.stack([maps.sum(dim=2) @ steps, maps.sum(dim=3) @ steps], dim=2)


class FaceReader(_Places):
    """Close-ups (B, 3, SIDE, SIDE), 0..1, to logits (B,) and points (B, 3, 2) in -1..1, x and y."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__((24, 40, 64), 3, norm)
        self.score = nn.Sequential(
            _Conv(64, 12, 1, 1, norm), nn.Flatten(), nn.Linear(12 * (SIDE // 8) ** 2, 1)
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B,) and points (B, 3, 2) of close-ups (B, 3, SIDE, SIDE)."""
        far, points = self.places(pictures)
        score: Tensor = self.score(far)[:, 0]
        return score, points


class PointReader(_Places):
    """Squares (3 B, 3, POINT_SIDE, POINT_SIDE), 0..1, to eyes (2 B, 5, 2) and mouths (B, 6, 2) in -1..1.

    The squares are upright, a third of them each around the eye at the left, the eye at the right, mirrored,
    and the mouth, in this order. An eye is its outer and inner corner, upper and lower lid and pupil; a mouth
    its left and right corner and, downwards in the middle, the edges of both lips.
    """

    def __init__(self, norm: bool = False) -> None:
        super().__init__((16, 24, 40), EYE_POINTS + MOUTH_POINTS, norm)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Points of the eyes (2 B, 5, 2) and of the mouths (B, 6, 2)."""
        _, places = self.places(pictures)
        eyes = 2 * len(pictures) // 3
        return places[:eyes, :EYE_POINTS], places[eyes:, EYE_POINTS:]


class _Conv(nn.Sequential):
    """Convolution, normalization if ``norm``, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, norm: bool) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        super().__init__(conv, nn.BatchNorm2d(outputs) if norm else nn.Identity(), nn.ReLU(inplace=True))

    def fuse(self) -> None:
        """Fold the normalization into the convolution."""
        conv, norm = self[0], self[1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            self[0], self[1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


class _Residual(nn.Module):
    def __init__(self, channels: int, norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(*(_Conv(channels, channels, 3, 1, norm) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.body(x)
        return y


def fused(network: Network) -> Network:
    """A copy of a network trained with normalization that computes the same without it."""
    plain = copy.deepcopy(network).eval()
    for module in plain.modules():
        if isinstance(module, _Conv):
            module.fuse()
    return plain
