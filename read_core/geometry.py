"""All rate arithmetic: video frames, latents, audio samples, speech features and clips.

One video second is 25 frames and 16 000 samples; one latent is 8 frames (the first one 1) of 32 x 32 pixels.
A latent sequence is [z_R, z_1 .. z_N], so it decodes to 8 N + 1 frames, of which frame 0 is the portrait. A
clip is a window of W latents: z_R and f = W - 1 generated ones; neighboring clips share one latent.
"""

from __future__ import annotations

from .errors import InputError
from .limits import WINDOW

FPS = 25
SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
FEATURES_PER_FRAME = 2
FEATURE_RATE = FPS * FEATURES_PER_FRAME
SAMPLES_PER_FEATURE = SAMPLE_RATE // FEATURE_RATE
FRAMES_PER_LATENT = 8
PIXELS_PER_LATENT = 32


def frames_of_samples(samples: int, sample_rate: int = SAMPLE_RATE) -> int:
    """Number of video frames for ``samples`` of audio: F = ceil(25 * seconds)."""
    return -(-samples * FPS // sample_rate)


def frames_of_latents(latents: int) -> int:
    """Number of frames that ``latents`` (z_R included) decode to: 8 (L - 1) + 1."""
    return FRAMES_PER_LATENT * (latents - 1) + 1


def latents_of_frames(frames: int) -> int:
    """Number of generated latents N (z_R not counted) that cover ``frames``: max(1, ceil((F - 1) / 8))."""
    return max(1, -(-(frames - 1) // FRAMES_PER_LATENT))


def clips_of_latents(latents: int, window: int) -> int:
    """Number of clips k of ``window`` latents (z_R included) that cover ``latents`` generated ones."""
    f = check_window(window) - 1
    return 1 + max(0, -(-(latents - f) // (f - 1)))


def latents_of_clips(clips: int, window: int) -> int:
    """Number of generated latents of ``clips`` clips, N = f + (k - 1)(f - 1).

    Raises:
        InputError: there are no clips, or the window is out of range.
    """
    if clips < 1:
        raise InputError(f"clips is {clips}; expected at least 1")
    f = check_window(window) - 1
    return f + (clips - 1) * (f - 1)


def padded_latents(latents: int, window: int) -> int:
    """The smallest f + (k - 1)(f - 1) >= ``latents``: generated latents in full windows."""
    return latents_of_clips(clips_of_latents(latents, window), window)


def check_window(window: int) -> int:
    """Return ``window`` if it is a usable number of latents per clip (z_R counted), else raise InputError."""
    if window not in WINDOW or window != int(window):
        raise InputError(f"window is {window!r}; expected {WINDOW} latents per clip")
    return window
