"""Positions of the clips of a recording among its generated latents."""

from __future__ import annotations

from ..errors import InputError
from ..geometry import check_window, padded_latents


def clip_spans(latents: int, window: int) -> list[tuple[int, int]]:
    """Half-open, 0-based spans of the clips over z_1 .. z_N; neighbors share one latent.

    Args:
        latents: N = f + (k - 1)(f - 1) generated latents, f = window - 1, for some k >= 1.
        window: latents per clip, z_R included, at least 3.

    Returns:
        k spans (start, stop) of f latents each.

    Raises:
        InputError: the window is out of range, or N is not a number of whole clips.
    """
    f = check_window(window) - 1
    if latents < f or (latents - f) % (f - 1):
        nearest = padded_latents(max(latents, 1), window)
        raise InputError(
            f"{latents} latents are not whole clips of window {window}; expected {f} + n * {f - 1}, "
            f"so pad the speech to {nearest}"
        )
    return [(start, start + f) for start in range(0, latents - 1, f - 1)]
