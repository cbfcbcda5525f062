"""The two networks of the face finder: one searches faces in a small picture, one reads a close-up."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

STRIDE = 8  # pixels of the searched picture per cell of the map
SIDE = 64  # pixels of the close-up
_ANSWERS = 11  # per cell: score, box (4), three points (6)


class FaceFinder(nn.Module):
    """``search`` gives candidates on a map of cells, ``read`` checks each and places its points.

    Args:
        norm: use batch normalization after every convolution, for training; :func:`fused` removes it.
    """

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.search = FaceSearch(norm)
        self.read = FaceReader(norm)


class FaceSearch(nn.Module):
    """Pictures (B, 3, H, W), 0..1, sides multiples of 16 -> outputs (B, 11, H / 8, W / 8), one vector per
    cell.

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
        near = self.near(self.stem(2 * pictures - 1))
        far = self.far(near)
        near = self.at_near(near + F.interpolate(self.far_to_near(far), scale_factor=2.0))
        answers: Tensor = self.answer(near)
        return answers


class FaceReader(nn.Module):
    """Close-ups (B, 3, SIDE, SIDE), 0..1, to logits (B,) and points (B, 3, 2) in -1..1, x and y.

    Each point is the mean position of an attention map. Overall light and contrast do not matter.
    """

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.near = nn.Sequential(_Conv(3, 24, 3, 2, norm), _Conv(24, 40, 3, 2, norm), _Residual(40, norm))
        self.far = nn.Sequential(_Conv(40, 64, 3, 2, norm), _Residual(64, norm))
        self.far_to_near = _Conv(64, 40, 1, 1, norm)
        self.at_near = _Conv(40, 40, 3, 1, norm)
        self.attention = nn.Conv2d(40, 3, 1)
        self.score = nn.Sequential(
            _Conv(64, 12, 1, 1, norm), nn.Flatten(), nn.Linear(12 * (SIDE // 8) ** 2, 1)
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
        spread = (pictures - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        near = self.near((pictures - mean) / (spread + 0.05))
        far = self.far(near)
        near = self.at_near(near + F.interpolate(self.far_to_near(far), scale_factor=2.0))
        maps = self.attention(near).flatten(2).softmax(dim=2).unflatten(2, near.shape[2:])
        places = (torch.arange(SIDE // 4, device=maps.device) + 0.5) * 8 / SIDE - 1
        points = torch.stack([maps.sum(dim=2) @ places, maps.sum(dim=3) @ places], dim=2)
        score: Tensor = self.score(far)[:, 0]
        return score, points


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


def fused(finder: FaceFinder) -> FaceFinder:
    """Copy a finder trained with normalization; the copy computes the same without it."""
    plain = copy.deepcopy(finder).eval()
    for module in plain.modules():
        if isinstance(module, _Conv):
            module.fuse()
    return plain
