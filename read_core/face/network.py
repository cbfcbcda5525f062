"""The two networks of the face finder: one looks for faces in a small picture, one reads a face close up."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

STRIDE = 8  # pixels of the searched picture per cell of the map
SIDE = 64  # pixels of the close-up
_ANSWERS = 11  # per cell: score, box (4), three points (6)


class FaceFinder(nn.Module):
    """``search`` gives candidates on a map of cells, ``read`` checks each and places its points.

    Args:
        norm: with batch normalization after every convolution, for training; :func:`fused` folds it away.
    """

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.search = FaceSearch(norm)
        self.read = FaceReader(norm)


class FaceSearch(nn.Module):
    """Pictures (B, 3, H, W), 0..1, sides multiples of 32, to answers (B, 11, H / 8, W / 8) per cell.

    The answers: a logit; the box's middle as seen from the cell's, in cells; the logarithms of the box's
    width and height in cells; three points as seen from the cell's middle, in box sides.
    """

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(_Conv(3, 16, 3, 2, norm), _Conv(16, 24, 3, 2, norm))
        self.near = nn.Sequential(_Conv(24, 40, 3, 2, norm), _Residual(40, norm))
        self.middle = nn.Sequential(_Conv(40, 64, 3, 2, norm), _Residual(64, norm))
        self.far = nn.Sequential(_Conv(64, 72, 3, 2, norm), _Residual(72, norm))
        self.far_to_middle = _Conv(72, 64, 1, 1, norm)
        self.at_middle = _Conv(64, 64, 3, 1, norm)
        self.middle_to_near = _Conv(64, 40, 1, 1, norm)
        self.at_near = _Conv(40, 40, 3, 1, norm)
        self.answer = nn.Conv2d(40, _ANSWERS, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        near = self.near(self.stem(2 * pictures - 1))
        middle = self.middle(near)
        far = self.far(middle)
        middle = self.at_middle(middle + F.interpolate(self.far_to_middle(far), scale_factor=2.0))
        near = self.at_near(near + F.interpolate(self.middle_to_near(middle), scale_factor=2.0))
        answers: Tensor = self.answer(near)
        return answers


class FaceReader(nn.Module):
    """Close-ups (B, 3, SIDE, SIDE), 0..1, to logits (B,) and points (B, 3, 2) in -1..1, x and y."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _Conv(3, 16, 3, 2, norm),
            _Conv(16, 32, 3, 2, norm),
            _Residual(32, norm),
            _Conv(32, 48, 3, 2, norm),
            _Residual(48, norm),
            _Conv(48, 20, 1, 1, norm),
            nn.Flatten(),
        )
        self.answer = nn.Linear(20 * (SIDE // 8) ** 2, 64)
        self.points = nn.Linear(64, 6)
        self.score = nn.Linear(64, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
        spread = (pictures - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        features = F.relu(self.answer(self.body((pictures - mean) / (spread + 0.05))))
        score: Tensor = self.score(features)[:, 0]
        return score, self.points(features).unflatten(1, (3, 2))


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
    """A copy of a finder trained with normalization that computes the same without it."""
    plain = copy.deepcopy(finder).eval()
    for module in plain.modules():
        if isinstance(module, _Conv):
            module.fuse()
    return plain
