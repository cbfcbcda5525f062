"""Change the frame rate: each frame is held until the next one is due."""

from __future__ import annotations

from torch import Tensor

from ..errors import InputError
from ..geometry import FPS

RATES = (25, 24, 30, 50, 60)


class HeldFrames:
    """Convert 25 frames per second to another rate: frame j of the result is frame floor(25 j / fps).

    Frames are repeated or left out, never blended. Motion and sound stay in sync. F frames become ceil(F fps
    / 25).

    Args:
        fps: frame rate of the result, one of ``RATES``.

    Raises:
        InputError: the rate is not one of them.
    """

    def __init__(self, fps: int) -> None:
        if fps not in RATES:
            raise InputError(f"fps is {fps!r}; expected one of {', '.join(map(str, RATES))}")
        self.fps = fps
        self._taken = self._given = 0

    def __call__(self, frames: Tensor) -> Tensor:
        """The next frames of the result, (m, H, W, 3), from the next input frames (n, H, W, 3)."""
        first, self._taken = self._taken, self._taken + len(frames)
        due = -(-self._taken * self.fps // FPS)
        shown = [number * FPS // self.fps - first for number in range(self._given, due)]
        self._given = due
        return frames if self.fps == FPS else frames[shown]
