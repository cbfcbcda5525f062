"""Positions of the clips of a recording among its generated latents."""

from __future__ import annotations

from ..errors import InputError
from ..geometry import check_window, padded_latents


def clip_spans(frames: int, window: int) -> list[tuple[int, int]]:
    """Half-open, 0-based spans of the clips over z_1 .. z_N; neighbors share one latent.

    Args:
        frames: N = f + (k - 1)(f - 1) generated latents, f = window - 1, for some k >= 1.
        window: latents per clip, z_R included, at least 3.

    Returns:
        k spans (start, stop) of f latents each.

    Raises:
        InputError: the window is out of range, or N is not a number of whole clips.
    """
    f = check_window(window) - 1
    if frames < f or (frames - f) % (f - 1):
        nearest = padded_latents(max(frames, 1), window)
        raise InputError(
            f"{frames} latents are not whole clips of window {window}; expected {f} + n * {f - 1}, "
            f"so pad the speech to {nearest}"
        )
    return [(start, start + f) for start in range(0, frames - 1, f - 1)]


def frames_of_clips(clips: int, window: int) -> int:
    """N = f + (k - 1)(f - 1), the generated latents of ``clips`` clips (InputError if there are none)."""
    if clips < 1:
        raise InputError(f"clips is {clips}; expected at least 1")
    f = check_window(window) - 1
    return f + (clips - 1) * (f - 1)
