"""Range checks of user choices. Each returns its argument or raises InputError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError
from .geometry import PIXELS_PER_LATENT
from .limits import FILE_SIZE, GUIDANCE_END, OUTPUT_SIZE, SEED, SIZE, STEPS

if TYPE_CHECKING:
    from torch import Tensor


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Check (height, width) in pixels: multiples of 32 within ``limits.SIZE``."""
    step = PIXELS_PER_LATENT
    near = [min(max(round(side / step) * step, SIZE.least), SIZE.largest) for side in size]
    if list(size) != near:
        raise InputError(
            f"size is {size[1]} x {size[0]} (width x height); expected multiples of {step} "
            f"from {SIZE}, as {near[1]} x {near[0]}"
        )
    return size


def check_output_size(size: int) -> int:
    """Check the longest side of a result in pixels: a whole number within ``limits.OUTPUT_SIZE``."""
    if size not in OUTPUT_SIZE or size != int(size):
        raise InputError(f"output size is {size!r}; expected a whole number from {OUTPUT_SIZE}")
    return size


def check_video_size(size: tuple[int, int]) -> tuple[int, int]:
    """Check (height, width) of a video file: even numbers (for H.264) within ``limits.FILE_SIZE``."""
    if any(side % 2 or side not in FILE_SIZE for side in size):
        raise InputError(
            f"the video is {size[1]} x {size[0]} (width x height); "
            f"expected even numbers up to {FILE_SIZE.largest}"
        )
    return size


def check_steps(steps: int) -> int:
    """Check the updates per clip: a whole number within ``limits.STEPS``."""
    if steps not in STEPS or steps != int(steps):
        raise InputError(f"steps is {steps!r}; expected a whole number from {STEPS}")
    return steps


def check_guidance_end(end: float) -> float:
    """Check where guidance ends: a number within ``limits.GUIDANCE_END``."""
    if end not in GUIDANCE_END:
        raise InputError(f"guidance_end is {end!r}; expected {GUIDANCE_END}")
    return end


def check_seed(seed: int) -> int:
    """Check a seed: a whole number within ``limits.SEED``."""
    if seed not in SEED or seed != int(seed):
        raise InputError(f"seed is {seed!r}; expected a whole number from {SEED}")
    return seed


def check_finite(frames: Tensor) -> Tensor:
    """Check that decoded frames contain no NaN."""
    if frames.isnan().any():
        raise InputError(
            "frames contain NaN: the checkpoint is damaged, or half precision is too narrow for it; "
            "try float32"
        )
    return frames


def check_image(image: Tensor) -> Tensor:
    """Check an image: (H, W, 3) or (H, W, 4), floating point, finite, not empty."""
    if image.ndim != 3 or image.shape[-1] not in (3, 4) or image.numel() == 0:
        raise InputError(f"image has shape {tuple(image.shape)}; expected (H, W, 3) or (H, W, 4)")
    if not image.is_floating_point() or not bool(image.isfinite().all()):
        raise InputError("image is not floating point or holds NaN or infinite values; expected 0..1")
    return image
