"""Paste back: put speaking frames into the picture that they were cut from, with a soft edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from ..errors import InputError
from ..limits import PASTED_SIDE
from ..pictures import antialiased, as_bytes, sampled
from .alignment import FaceCrop

RIM = 0.1  # width of the soft edge, relative to the crop's shorter side
PIXELS_AT_ONCE = 2**22  # pixels of results at a time, in a stream


class PasteBack:
    """Pastes frames into one picture.

    Args:
        original: (H, W, 3) float, 0..1.
        crop: the rectangle of the original that the frames show, of any shape; parts outside the original are
            lost.
        max_side: longest side of the result; a smaller original keeps its size.

    Attributes:
        size: (height, width) of the result, both even, for video encoders. A picture that keeps its size
            loses its last row or column if it is odd.
        crop: the rectangle in the result.
        mask: (height, width), 0..1: share of the frames in each pixel.

    Raises:
        InputError: wrong shape or type, a picture of one pixel, or ``max_side`` below 2.
    """

    def __init__(self, original: Tensor, crop: FaceCrop, max_side: int = PASTED_SIDE) -> None:
        if original.ndim != 3 or original.shape[2] != 3 or not original.is_floating_point():
            raise InputError(
                f"the picture is {tuple(original.shape)} {original.dtype}; expected (H, W, 3) floats"
            )
        height, width = original.shape[:2]
        self.size = pasted_size((height, width), max_side)
        picture, across, down = original.float(), 1.0, 1.0
        if max(height, width) > max_side:
            batch = antialiased(picture.permute(2, 0, 1)[None], self.size)
            picture = batch[0].permute(1, 2, 0).clamp(0, 1)
            across, down = self.size[1] / width, self.size[0] / height
        self._picture = picture[: self.size[0], : self.size[1]].contiguous()
        self._bytes = torch.empty(0, dtype=torch.uint8)
        self.crop = crop.scaled(across, down)
        left, top, right, bottom = self.crop.box
        self._rows = slice(max(0, top - 1), max(0, min(self.size[0], bottom + 1)))
        self._columns = slice(max(0, left - 1), max(0, min(self.size[1], right + 1)))
        places = self._region()
        self._grid = places[None] * 2 - 1
        self.mask = torch.zeros(self.size)
        self.mask[self._rows, self._columns] = _rim(places, self.crop)
        self._inside = self._picture[self._rows, self._columns]
        self._share = self.mask[self._rows, self._columns, None]

    def __call__(self, frames: Tensor) -> Tensor:
        """Frames (n, h, w, 3), 0..1 -> pictures (n, height, width, 3), float32, on their device."""
        self._picture = self._picture.to(frames.device)  # moved once: it is large
        return self._filled(self._picture, self._blended(frames))

    def as_bytes(self, frames: Tensor) -> Tensor:
        """The same pictures as bytes; what lies outside the crop is converted once."""
        if not self._bytes.numel():
            self._bytes = as_bytes(self._picture[None])[0]
        self._bytes = self._bytes.to(frames.device)
        return self._filled(self._bytes, as_bytes(self._blended(frames)))

    @property
    def changed(self) -> int:
        """Number of pixels of a picture that show frames."""
        return self._grid[0, ..., 0].numel()

    def stream(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Paste frames that arrive in parts, a few pictures at a time, so that memory does not grow."""
        for frames in parts:
            count = at_once(self.size)
            for start in range(0, len(frames), count):
                yield self(frames[start : start + count])

    def _region(self) -> Tensor:
        """Centers of the pixels in the changed region, as fractions of the crop: (rows, columns, 2)."""
        y = torch.arange(self._rows.start, max(self._rows.start, self._rows.stop)) + 0.5
        x = torch.arange(self._columns.start, max(self._columns.start, self._columns.stop)) + 0.5
        return self.crop.to_crop(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1))

    def _filled(self, picture: Tensor, changed: Tensor) -> Tensor:
        """Copies of the picture with the changed regions (n, rows, columns, 3)."""
        pictures = picture.expand(len(changed), -1, -1, -1).clone()
        pictures[:, self._rows, self._columns] = changed
        return pictures

    def _blended(self, frames: Tensor) -> Tensor:
        """The changed region of the pictures: (n, rows, columns, 3)."""
        if not self.changed:  # the crop lies outside the picture
            return frames.new_zeros(len(frames), *self._inside.shape)
        self._inside, self._share = (kept.to(frames.device) for kept in (self._inside, self._share))
        found = self._sampled(frames)
        return found.sub_(self._inside).mul_(self._share).add_(self._inside)

    def _sampled(self, frames: Tensor) -> Tensor:
        """The frames sampled at the pixels of the region, antialiased: (n, rows, columns, 3)."""
        batch = frames.float().permute(0, 3, 1, 2)
        h, w = batch.shape[2:]
        shrunk = max(1, min(h, round(self.crop.height))), max(1, min(w, round(self.crop.width)))
        if shrunk != (h, w):
            batch = antialiased(batch, shrunk)
        self._grid = self._grid.to(frames.device)
        grid = self._grid.expand(len(batch), -1, -1, -1)
        return sampled(batch, grid, "bicubic").clamp_(0, 1).permute(0, 2, 3, 1)


def paste_back(
    frames: Tensor, original: Tensor, crop: FaceCrop, max_side: int = PASTED_SIDE
) -> tuple[Tensor, Tensor]:
    """Paste all frames of a video: (n, h, w, 3) -> (n, height, width, 3), and the mask (height, width).

    Args: as for :class:`PasteBack`, whose ``stream`` holds few pictures at a time.
    """
    paste = PasteBack(original, crop, max_side)
    pictures = torch.empty(len(frames), *paste.size, 3, device=frames.device)
    done = 0
    for few in paste.stream([frames]):
        pictures[done : done + len(few)] = few
        done += len(few)
    return pictures, paste.mask


def pasted_size(original: tuple[int, int], max_side: int = PASTED_SIDE) -> tuple[int, int]:
    """(height, width) of the result for an original of that size: even, at most ``max_side``.

    Raises:
        InputError: the picture or ``max_side`` is below 2 pixels.
    """
    if min(original) < 2 or max_side < 2:
        raise InputError(
            f"the picture is {original[1]} x {original[0]} pixels, at most {max_side} are wanted; "
            "expected 2 or more"
        )
    longest = max(original)
    if longest <= max_side:
        return original[0] // 2 * 2, original[1] // 2 * 2
    height, width = (max(2, round(side * max_side / longest / 2) * 2) for side in original)
    return min(height, max_side // 2 * 2), min(width, max_side // 2 * 2)


def at_once(size: tuple[int, int]) -> int:
    """Number of results (height, width) that a stream makes at a time."""
    return max(1, PIXELS_AT_ONCE // (size[0] * size[1]))


def smooth(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, a cubic between."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


def _rim(places: Tensor, crop: FaceCrop) -> Tensor:
    """0 at the border of the crop and outside, 1 from ``RIM`` inwards, smooth between: (rows, columns)."""
    sides = places.new_tensor([crop.width, crop.height])
    inwards = (torch.minimum(places, 1 - places) * sides).amin(-1) / float(sides.min())
    return smooth(inwards / RIM)
