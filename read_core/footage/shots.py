"""Detect shot changes by the difference of successive small pictures."""

from __future__ import annotations

from collections import deque
from statistics import median

import numpy as np
from numpy.typing import NDArray

SIZE = (48, 27)  # width and height of what is compared
_LEAST = 0.08  # mean difference, 0..1, below which nothing is a shot change
_TIMES = 4.0  # ... and by that of the frames before
_REMEMBERED = 12  # frames


class ShotChanges:
    """Detects the starts of shots, picture by picture."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._before: deque[float] = deque(maxlen=_REMEMBERED)

    def __call__(self, picture: NDArray[np.float32]) -> bool:
        """True if ``picture`` (h, w, 3), 0..1, begins a shot; the first one does."""
        last, self._last = self._last, picture
        if last is None:
            return True
        difference = float(np.abs(picture - last).mean())
        usual = median(self._before) if self._before else 0.0
        if difference > max(_LEAST, _TIMES * usual):
            self._before.clear()
            return True
        self._before.append(difference)
        return False
