"""SyncNet: five frames of a face and 0.2 s of sound to vectors that are near if they belong together.

The names of the tensors are those of joonson/syncnet_python.
"""

from __future__ import annotations

from torch import Tensor, nn

FEATURES = 1024
SIDE = 224  # pixels
FRAMES = 5
COEFFICIENTS = 13
STEPS = 20  # of 10 ms


class SyncNet(nn.Module):
    """The two networks, one for lips and one for sound."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_flat(1, 64, 3, 1),
            nn.MaxPool2d(1),
            *_flat(64, 192, 3, 1),
            nn.MaxPool2d(3, (1, 2)),
            *_flat(192, 384, 3, 1),
            *_flat(384, 256, 3, 1),
            *_flat(256, 256, 3, 1),
            nn.MaxPool2d(3, 2),
            *_flat(256, 512, (5, 4), 0),
        )
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_spatial_conv(3, 96, (5, 7, 7), 2, 0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_spatial_conv(96, 256, (1, 5, 5), 2, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_spatial_conv(256, 256, (1, 3, 3), 1, 1),
            *_spatial_conv(256, 256, (1, 3, 3), 1, 1),
            *_spatial_conv(256, 256, (1, 3, 3), 1, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_spatial_conv(256, 512, (1, 6, 6), 1, 0),
        )

    def read_lips(self, x: Tensor) -> Tensor:
        """(B, 3, 5, 224, 224), blue first, 0..255 -> (B, 1024)."""
        found: Tensor = self.netfclip(self.netcnnlip(x).flatten(1))
        return found

    def read_sound(self, x: Tensor) -> Tensor:
        """(B, 1, 13, 20) coefficients, 100 per second -> (B, 1024)."""
        found: Tensor = self.netfcaud(self.netcnnaud(x).flatten(1))
        return found


def _flat(size: int, channels: int, kernel: int | tuple[int, int], padding: int) -> list[nn.Module]:
    return [nn.Conv2d(size, channels, kernel, padding=padding), nn.BatchNorm2d(channels), nn.ReLU()]


def _spatial_conv(
    size: int, channels: int, kernel: tuple[int, int, int], step: int, padding: int
) -> list[nn.Module]:
    """A convolution that strides and pads within the frames, not over time."""
    convolution = nn.Conv3d(size, channels, kernel, (1, step, step), (0, padding, padding))
    return [convolution, nn.BatchNorm3d(channels), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, FEATURES))
