"""Videos of the corpus: one safetensors file each, drawn by ``read-core corpus`` or made of footage.

A file has ``frames`` (F, H, W, 3) uint8, ``waveform`` (640 F,) int16 at 16 kHz, ``boxes`` (F, 4) float32
pixel boxes x0, y0, x1, y1 of the mouth, and, if known, ``eyes`` (F, 2, 4) float32, pixel boxes of both eyes,
and the true tracks ``mouth`` (F, 3) and ``blink`` (F,), float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

from ..errors import InputError
from ..geometry import FRAMES_PER_LATENT

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
_SHUT = 0.5


class ClipFile:
    """One video on disk, read in slices.

    Raises:
        InputError: the file is damaged, or not such a video.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, "pt") as file:
                self.frames: int = file.get_slice("frames").get_shape()[0]
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: not a training video ({error}); delete it or make it again") from error

    @property
    def whole_frames(self) -> int:
        """The largest number of frames 8 n + 1 in the video."""
        return self.frames - (self.frames - 1) % FRAMES_PER_LATENT

    def read(self, start: int = 0, stop: int | None = None) -> tuple[Tensor, Tensor]:
        """Frames (f, H, W, 3) uint8 and mouth boxes (f, 4) of [start, stop)."""
        stop = self.frames if stop is None else stop
        if not 0 <= start < stop <= self.frames:
            raise InputError(f"{self.path}: frames {start} to {stop} requested, of {self.frames}")
        with safe_open(self.path, "pt") as file:
            return file.get_slice("frames")[start:stop], file.get_slice("boxes")[start:stop]

    def eyes(self, start: int, stop: int) -> Tensor:
        """Boxes (f, 2, 4) of both eyes in [start, stop); empty boxes if the file has none."""
        with safe_open(self.path, "pt") as file:
            if "eyes" not in file.keys():  # noqa: SIM118
                return torch.zeros(stop - start, 2, 4)
            eyes: Tensor = file.get_slice("eyes")[start:stop]
        return eyes

    def blink(self, start: int = 0, stop: int | None = None) -> Tensor:
        """How far the lids are closed in [start, stop), (f,) in 0..1; 0 if the file has no track."""
        stop = self.frames if stop is None else stop
        with safe_open(self.path, "pt") as file:
            if "blink" not in file.keys():  # noqa: SIM118
                return torch.zeros(stop - start)
            blink: Tensor = file.get_slice("blink")[start:stop]
        return blink

    def blinks(self) -> Tensor:
        """Frames (K,) int64 with lids more than half closed; none if the file has no track."""
        return (self.blink() > _SHUT).nonzero()[:, 0]

    def waveform(self) -> Tensor:
        """The recording, (640 F,) float32 at 16 kHz."""
        with safe_open(self.path, "pt") as file:
            waveform: Tensor = file.get_tensor("waveform")
        return waveform.float() / 32767

    def mouth(self) -> Tensor:
        """The true mouth track (F, 3), of corpus videos only."""
        with safe_open(self.path, "pt") as file:
            mouth: Tensor = file.get_tensor("mouth")
        return mouth


def find_clips(folder: Path, split: str) -> list[ClipFile]:
    """All videos of one split, sorted by name.

    Raises:
        InputError: there are none.
    """
    files = sorted((folder / split).glob(f"*{SUFFIX}"))
    if not files:
        raise InputError(f"{folder / split}: no {SUFFIX} videos; make them with 'read-core corpus'")
    return [ClipFile(file) for file in files]
