"""Deep3DFaceRecon: a ResNet-50 that reads the coefficients of a 3D face model from an aligned face.

The names of the tensors are those of sicxu/Deep3DFaceRecon_pytorch. Only the coefficients of the expression
are computed.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 64
SIDE = 224  # pixels

_HEADS = (80, 64, 80, 3, 27, 2, 1)  # identity, expression, texture, angles, light, place in x and y, in z
_EXPRESSION = 1
_DEPTHS = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    """Residual block of 1 x 1, 3 x 3 and 1 x 1 convolutions; the 3 x 3 has the stride.

    Args:
        size: channels of the input.
        width: channels of the 3 x 3; four times as many result.
        stride: of the 3 x 3.
    """

    def __init__(self, size: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(size, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or size != 4 * width:
            shortcut = nn.Conv2d(size, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, c', h', w')."""
        beside = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + beside)


class ResNet50(nn.Module):
    """The network without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _layer(64, 64, _DEPTHS[0], 1)
        self.layer2 = _layer(256, 128, _DEPTHS[1], 2)
        self.layer3 = _layer(512, 256, _DEPTHS[2], 2)
        self.layer4 = _layer(1024, 512, _DEPTHS[3], 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, 2048, 1, 1), the mean over the picture."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((2, 3), keepdim=True)


class FaceReconstruction(nn.Module):
    """Aligned faces to the coefficients whose Fréchet distance is the E-FID."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet50()
        self.final_layers = nn.ModuleList(nn.Conv2d(2048, size, 1) for size in _HEADS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 224, 224) RGB in 0..1 -> (B, 64) coefficients of the expression."""
        found: Tensor = self.final_layers[_EXPRESSION](self.backbone(x)).flatten(1)
        return found


def _layer(size: int, width: int, depth: int, stride: int) -> nn.Sequential:
    first = Bottleneck(size, width, stride)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(depth - 1)))
