"""Voice detectors: the share of a recording that is speech."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..geometry import SAMPLE_RATE

Samples = NDArray[np.int16]
Voiced = Callable[[Samples], float]
"""(samples,) int16 at 16 kHz -> the share of it with speech, 0..1."""

BLOCK = SAMPLE_RATE * 30 // 1000  # samples that are judged at a time
_STRICT = 2  # of 0..3: how sure webrtcvad wants to be
_LOUD = 0.01  # root mean square, of full scale


def make_voice(name: str) -> Voiced | None:
    """The measure of that name; None for ``none``.

    Args:
        name: ``webrtc`` (package webrtcvad-wheels), ``loudness`` (sound of any kind) or ``none``.

    Raises:
        InputError: the package is not installed, or an unknown name.
    """
    if name == "none":
        return None
    if name == "loudness":
        return _loud
    if name != "webrtc":
        raise InputError(f"voice is {name!r}; expected webrtc, loudness or none")
    try:
        import webrtcvad
    except ModuleNotFoundError as error:
        raise InputError(
            "speech is found with the package webrtcvad-wheels: pip install -e '.[footage]', "
            "or use --voice loudness, which treats any sound as speech"
        ) from error

    def spoken(samples: Samples) -> float:
        detector = webrtcvad.Vad(_STRICT)  # it remembers what it has heard
        blocks = _blocks(samples)
        heard = sum(bool(detector.is_speech(block.tobytes(), SAMPLE_RATE)) for block in blocks)
        return heard / max(1, len(blocks))

    return spoken


def _loud(samples: Samples) -> float:
    levels = np.sqrt(np.square(_blocks(samples).astype(np.float32) / 32768).mean(axis=1))
    return float((levels > _LOUD).mean()) if len(levels) else 0.0


def _blocks(samples: Samples) -> Samples:
    return samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
