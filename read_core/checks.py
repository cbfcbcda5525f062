"""Range checks of what a user may choose; each returns its argument or raises InputError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError
from .geometry import PIXELS_PER_LATENT

if TYPE_CHECKING:
    from torch import Tensor

MIN_SIZE, MAX_SIZE = 64, 2048
MIN_STEPS, MAX_STEPS = 1, 100
MAX_SEED = 2**64 - 1


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) in pixels: multiples of 32 from 64 to 2048."""
    if any(not MIN_SIZE <= n <= MAX_SIZE or n % PIXELS_PER_LATENT for n in size):
        raise InputError(
            f"size is {size[0]} x {size[1]} (height x width); expected multiples of {PIXELS_PER_LATENT} "
            f"from {MIN_SIZE} to {MAX_SIZE}"
        )
    return size


def check_steps(steps: int) -> int:
    """Updates per clip: 1 to 100."""
    if not MIN_STEPS <= steps <= MAX_STEPS:
        raise InputError(f"steps is {steps}; expected {MIN_STEPS} to {MAX_STEPS}")
    return steps


def check_seed(seed: int) -> int:
    """A seed: 0 to 2^64 - 1."""
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed is {seed}; expected 0 to {MAX_SEED}")
    return seed


def check_waveform(waveform: Tensor, sample_rate: int) -> Tensor:
    """(samples,) or (channels, samples), floating point, finite, not empty, with a positive rate."""
    if waveform.ndim not in (1, 2) or waveform.numel() == 0:
        raise InputError(
            f"waveform has shape {tuple(waveform.shape)}; expected (samples,) or (channels, samples)"
        )
    if not waveform.is_floating_point():
        raise InputError(f"waveform is {waveform.dtype}; expected floating point samples in -1..1")
    if not bool(waveform.isfinite().all()):
        raise InputError("waveform holds NaN or infinite samples; expected finite ones")
    if sample_rate < 1:
        raise InputError(f"sample rate is {sample_rate}; expected samples per second")
    return waveform


def check_image(image: Tensor) -> Tensor:
    """(H, W, 3) or (H, W, 4), floating point, finite, not empty."""
    if image.ndim != 3 or image.shape[-1] not in (3, 4) or image.numel() == 0:
        raise InputError(f"image has shape {tuple(image.shape)}; expected (H, W, 3) or (H, W, 4)")
    if not image.is_floating_point() or not bool(image.isfinite().all()):
        raise InputError("image is not floating point or holds NaN or infinite values; expected 0..1")
    return image
