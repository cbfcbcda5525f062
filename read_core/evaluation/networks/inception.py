"""Inception v3 as FID uses it: TensorFlow's network of 2015-12-05, up to its last average over the picture.

The names of the tensors are torchvision's. Its structure differs in two places: average pools do not count
the padding, and the last block has a maximum pool instead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 2048
SIDE = 299  # pixels


class ConvNorm(nn.Module):
    """Convolution without bias, normalization, ReLU."""

    def __init__(self, size: int, channels: int, kernel: int | tuple[int, int], **options: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(size, channels, kernel, bias=False, **options)  # type: ignore[arg-type]
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, c', h', w')."""
        return F.relu(self.bn(self.conv(x)))


def mean_pool(x: Tensor) -> Tensor:
    """Mean of 3 x 3 neighbors inside the picture."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class MixedA(nn.Module):
    """35 x 35: 1 x 1, 5 x 5, twice 3 x 3, pool."""

    def __init__(self, size: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(size, 64, 1)
        self.branch5x5_1 = ConvNorm(size, 48, 1)
        self.branch5x5_2 = ConvNorm(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = ConvNorm(size, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, padding=1)
        self.branch_pool = ConvNorm(size, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 224 + pooled, h, w)."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch1x1(x), five, twice, self.branch_pool(mean_pool(x))), 1)


class MixedB(nn.Module):
    """35 x 35 to 17 x 17."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.branch3x3 = ConvNorm(size, 384, 3, stride=2)
        self.branch3x3dbl_1 = ConvNorm(size, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 480 + c, h', w')."""
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch3x3(x), twice, F.max_pool2d(x, 3, 2)), 1)


class MixedC(nn.Module):
    """17 x 17: 7 x 7 as 1 x 7 and 7 x 1, once and twice."""

    def __init__(self, width: int) -> None:
        super().__init__()
        across: dict[str, object] = {"kernel": (1, 7), "padding": (0, 3)}
        down: dict[str, object] = {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = ConvNorm(768, 192, 1)
        self.branch7x7_1 = ConvNorm(768, width, 1)
        self.branch7x7_2 = ConvNorm(width, width, **across)  # type: ignore[arg-type]
        self.branch7x7_3 = ConvNorm(width, 192, **down)  # type: ignore[arg-type]
        self.branch7x7dbl_1 = ConvNorm(768, width, 1)
        self.branch7x7dbl_2 = ConvNorm(width, width, **down)  # type: ignore[arg-type]
        self.branch7x7dbl_3 = ConvNorm(width, width, **across)  # type: ignore[arg-type]
        self.branch7x7dbl_4 = ConvNorm(width, width, **down)  # type: ignore[arg-type]
        self.branch7x7dbl_5 = ConvNorm(width, 192, **across)  # type: ignore[arg-type]
        self.branch_pool = ConvNorm(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 768, h, w) -> (B, 768, h, w)."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat((self.branch1x1(x), once, twice, self.branch_pool(mean_pool(x))), 1)


class MixedD(nn.Module):
    """17 x 17 to 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = ConvNorm(768, 192, 1)
        self.branch3x3_2 = ConvNorm(192, 320, 3, stride=2)
        self.branch7x7x3_1 = ConvNorm(768, 192, 1)
        self.branch7x7x3_2 = ConvNorm(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = ConvNorm(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = ConvNorm(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 768, h, w) -> (B, 1280, h', w')."""
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat((three, self.branch7x7x3_4(seven), F.max_pool2d(x, 3, 2)), 1)


class MixedE(nn.Module):
    """8 x 8: branches that part into 1 x 3 and 3 x 1.

    Args:
        size: channels of the input.
        maximum: whether the pool is a maximum, as in the last block.
    """

    def __init__(self, size: int, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        self.branch1x1 = ConvNorm(size, 320, 1)
        self.branch3x3_1 = ConvNorm(size, 384, 1)
        self.branch3x3_2a = ConvNorm(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = ConvNorm(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = ConvNorm(size, 448, 1)
        self.branch3x3dbl_2 = ConvNorm(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = ConvNorm(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = ConvNorm(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = ConvNorm(size, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 2048, h, w)."""
        once = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.maximum else mean_pool(x)
        parts = (
            self.branch1x1(x),
            self.branch3x3_2a(once),
            self.branch3x3_2b(once),
            self.branch3x3dbl_3a(twice),
            self.branch3x3dbl_3b(twice),
            self.branch_pool(pooled),
        )
        return torch.cat(parts, 1)


class FidInception(nn.Module):
    """Pictures to the features whose Fréchet distance is the FID."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        self.Mixed_5b = MixedA(192, 32)
        self.Mixed_5c = MixedA(256, 64)
        self.Mixed_5d = MixedA(288, 64)
        self.Mixed_6a = MixedB(288)
        self.Mixed_6b = MixedC(128)
        self.Mixed_6c = MixedC(160)
        self.Mixed_6d = MixedC(160)
        self.Mixed_6e = MixedC(192)
        self.Mixed_7a = MixedD()
        self.Mixed_7b = MixedE(1280, maximum=False)
        self.Mixed_7c = MixedE(2048, maximum=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 299, 299) in -1..1 -> (B, 2048)."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))
