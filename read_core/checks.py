"""Range checks of what a user may choose; each returns its argument or raises InputError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError
from .geometry import PIXELS_PER_LATENT

if TYPE_CHECKING:
    from torch import Tensor

MIN_SIZE, MAX_SIZE = 64, 2048
MAX_OUTPUT = 4096
MAX_VIDEO = 8192
MIN_STEPS, MAX_STEPS = 1, 100
MAX_SEED = 2**64 - 1


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) in pixels: multiples of 32 from 64 to 2048."""
    step = PIXELS_PER_LATENT
    near = [min(max(round(side / step) * step, MIN_SIZE), MAX_SIZE) for side in size]
    if list(size) != near:
        raise InputError(
            f"size is {size[1]} x {size[0]} (width x height); expected multiples of {step} "
            f"from {MIN_SIZE} to {MAX_SIZE}, as {near[1]} x {near[0]}"
        )
    return size


def check_output_size(size: int) -> int:
    """Longest side of a result in pixels: a whole number from 64 to 4096."""
    if not MIN_SIZE <= size <= MAX_OUTPUT or size != int(size):
        raise InputError(f"output size is {size!r}; expected a whole number from {MIN_SIZE} to {MAX_OUTPUT}")
    return size


def check_video_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a video file in pixels: even numbers from 2 to 8192, as H.264 wants."""
    if any(side % 2 or not 2 <= side <= MAX_VIDEO for side in size):
        raise InputError(
            f"the video is {size[1]} x {size[0]} (width x height); expected even numbers up to {MAX_VIDEO}"
        )
    return size


def check_steps(steps: int) -> int:
    """Updates per clip: a whole number from 1 to 100."""
    if not MIN_STEPS <= steps <= MAX_STEPS or steps != int(steps):
        raise InputError(f"steps is {steps!r}; expected a whole number from {MIN_STEPS} to {MAX_STEPS}")
    return steps


def check_seed(seed: int) -> int:
    """A seed: a whole number from 0 to 2^64 - 1."""
    if not 0 <= seed <= MAX_SEED or seed != int(seed):
        raise InputError(f"seed is {seed!r}; expected a whole number from 0 to {MAX_SEED}")
    return seed


def check_finite(frames: Tensor) -> Tensor:
    """Decoded frames without NaN."""
    if frames.isnan().any():
        raise InputError(
            "frames contain NaN: the checkpoint is damaged, or half precision is too narrow for it; "
            "try float32"
        )
    return frames


def check_image(image: Tensor) -> Tensor:
    """(H, W, 3) or (H, W, 4), floating point, finite, not empty."""
    if image.ndim != 3 or image.shape[-1] not in (3, 4) or image.numel() == 0:
        raise InputError(f"image has shape {tuple(image.shape)}; expected (H, W, 3) or (H, W, 4)")
    if not image.is_floating_point() or not bool(image.isfinite().all()):
        raise InputError("image is not floating point or holds NaN or infinite values; expected 0..1")
    return image
