"""Jumps where clips meet and where latents meet, and flicker of still pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ...ans import clip_spans
from ...errors import InputError
from ...geometry import (
    FRAMES_PER_LATENT,
    frames_of_latents,
    latents_of_clips,
    latents_of_frames,
    padded_latents,
)
from ..figures import column, mean

if TYPE_CHECKING:
    from torch import Tensor

_STEP = 1 / 255


@dataclass(frozen=True)
class SeamScore:
    """Mean absolute differences of neighboring frames, in 1/255 of the color range.

    Attributes:
        clips: at the start of a clip; NaN for a single clip.
        latents: at the start of a latent but not of a clip; NaN for fewer than two generated latents.
        inside: within the 8 frames of a latent.
    """

    clips: float = column("clips")
    latents: float = column("latents")
    inside: float = column("inside")


def clip_starts(latents: int, window: int) -> list[int]:
    """Last frames before a new clip's own ones, for N generated ``latents``; empty for a single clip.

    Neighbors share a latent, which belongs to the earlier clip.
    """
    return [FRAMES_PER_LATENT * (start + 1) for start, _ in clip_spans(latents, window)[1:]]


def whole_clips(clips: int, window: int) -> int:
    """Number of frames of a video of ``clips`` whole clips, including the portrait's frame."""
    return frames_of_latents(latents_of_clips(clips, window) + 1)


def split_clips(frames: Tensor, window: int) -> list[Tensor]:
    """Split frames (F, H, W, 3) into clips; the portrait's frame belongs to the first."""
    starts = clip_starts(padded_latents(latents_of_frames(len(frames)), window), window)
    edges = [0, *(last + 1 for last in starts), len(frames)]
    return [frames[a:b] for a, b in pairwise(edges)]


def score_seams(frames: Tensor, clip_boundaries: list[int], where: Tensor | None = None) -> SeamScore:
    """Compare the jumps of a video.

    Args:
        frames: (F, H, W, 3), 0..1; frame 0 is the portrait.
        clip_boundaries: last frames before a new clip, see :func:`clip_starts`; those beyond the video are
            ignored.
        where: (H, W) bool, pixels to measure, for example the still background; None: all.

    Raises:
        InputError: the video has fewer than 10 frames, or ``where`` no pixel.
    """
    if len(frames) < FRAMES_PER_LATENT + 2:
        raise InputError(f"too few frames for seams: {len(frames)}; expected {FRAMES_PER_LATENT + 2} or more")
    pixels = frames.flatten(1, 2) if where is None else frames[:, where]
    if pixels.shape[1] == 0:
        raise InputError("no pixel to look at for seams")
    jumps = [float((b - a).abs().mean()) / _STEP for a, b in pairwise(pixels)]
    of_clips = set(clip_boundaries)
    kinds: dict[str, list[float]] = {"clips": [], "latents": [], "inside": []}
    for last, jump in enumerate(jumps):
        if last in of_clips:
            kinds["clips"].append(jump)
        elif last % FRAMES_PER_LATENT:
            kinds["inside"].append(jump)
        elif last:  # frame 0 is the portrait: its latent ends here
            kinds["latents"].append(jump)
    return SeamScore(**{name: mean(values) for name, values in kinds.items()})


def still_pixels(frames: Tensor) -> Tensor:
    """Pixels that never change in a real video (F, H, W, 3), 0..1: (H, W) bool."""
    low, high = frames.amin(dim=0), frames.amax(dim=0)
    return ((high - low) < 0.5 * _STEP).all(dim=-1)


def flicker(frames: Tensor, still: Tensor) -> float:
    """Mean absolute difference of neighbors in ``still`` (H, W) pixels, in 1/255; NaN if there are none."""
    if len(frames) < 2 or not bool(still.any()):
        return float("nan")
    pixels = frames[:, still]
    return float((pixels[1:] - pixels[:-1]).abs().mean()) / _STEP
