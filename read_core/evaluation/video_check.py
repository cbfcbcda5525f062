"""Quick check of any talking-head video: mouth and sound, seams, drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F

from ..errors import InputError
from ..generate.contact_sheet import INK, PAPER, plot_tracks
from ..geometry import FPS, latents_of_frames, padded_latents
from ..mouth.measure import mouth_opening
from .metrics.drift import coarse
from .metrics.face import read_face
from .metrics.seams import SeamScore, clip_starts, score_seams
from .metrics.sync import best_lag, correlation

if TYPE_CHECKING:
    from torch import Tensor

    from ..face.finder import Faces

_LEAST = 10  # frames
_TEXT = 17  # pixels
_SMOOTH = 5  # frames over which the loudness is averaged
_SLACK = 0.1  # seconds; compressed sound comes in packets


@dataclass(frozen=True)
class VideoCheck:
    """Measurements of a video without ground truth.

    Attributes:
        opening: (F,) how far the mouth is open, 0 to 1 or a little more.
        loudness: (F,) root mean square of the sound per frame, its largest value 1.
        follows: correlation of the opening with the smoothed loudness, -1..1.
        lag: frames by which the mouth is late at the best fit; negative: early.
        at_best_lag: the correlation there.
        seams: mean differences of neighboring frames, in 1/255.
        likeness: correlation of the last second's mean picture with the portrait's (or first frame's).
        color_drift: distance of its mean color from theirs, in 1/255.
        blinks: number of blinks; None if no face was found.
    """

    opening: Tensor
    loudness: Tensor
    follows: float
    lag: int
    at_best_lag: float
    seams: SeamScore
    likeness: float
    color_drift: float
    blinks: int | None = None

    def plot(self) -> Tensor:
        """Plot of mouth and loudness over time, with the numbers below: (H, W, 3), 0..1."""
        lines = self.text().splitlines()
        width, height, font = 720, 200, ImageFont.load_default(_TEXT)
        image = Image.new("RGB", (width, height + round(1.3 * _TEXT * len(lines)) + 40), PAPER)
        draw = ImageDraw.Draw(image)
        opening = self.opening.clamp(max=1)
        plot_tracks(draw, (10, 24, width - 10, height), opening.numpy(), self.loudness.numpy())
        for row, line in enumerate(lines):
            draw.text((10, height + 24 + round(1.3 * _TEXT * row)), line, fill=INK, font=font)
        return torch.from_numpy(np.asarray(image, np.float32) / np.float32(255))

    def text(self) -> str:
        """The numbers, one per line."""
        jumps, minutes = self.seams, len(self.opening) / FPS / 60
        eyes = (
            "no face was found: a drawn mouth is read in the middle, and blinks are not counted"
            if self.blinks is None
            else f"blinks: {self.blinks}, {self.blinks / minutes:.0f} a minute"
        )
        return "\n".join(
            [
                f"mouth against loudness: r {self.follows:.2f}; "
                f"best at a lag of {self.lag} frames: r {self.at_best_lag:.2f}",
                f"jumps (1/255): where clips meet {jumps.clips:.2f}, where latents meet {jumps.latents:.2f}, "
                f"inside {jumps.inside:.2f}",
                f"likeness to the portrait at the end: {self.likeness:.3f}",
                f"color drift at the end (1/255): {self.color_drift:.2f}",
                eyes,
            ]
        )


def check_video(
    frames: Tensor,
    loudness: Tensor,
    window: int,
    portrait: Tensor | None = None,
    find: Callable[[Tensor], Faces] | None = None,
) -> VideoCheck:
    """Measure a video.

    If no face is found, the mouth is read as that of a drawn presenter who fills the picture.

    Args:
        frames: (F, H, W, 3), 0..1, at 25 per second; F at least 10.
        loudness: (F,), see :func:`frame_loudness`.
        window: latents per clip in sampling.
        portrait: (H', W', 3); None: frame 0.
        find: function that finds faces in a picture (H, W, 3); default: the bundled finder.

    Raises:
        InputError: there are too few frames, or the lengths differ.
    """
    if len(frames) < _LEAST or len(loudness) != len(frames):
        raise InputError(
            f"{len(frames)} frames and the loudness of {len(loudness)}; "
            f"expected the same number, {_LEAST} or more"
        )
    face = read_face(frames, find)
    opening = mouth_opening(frames) if face is None else face.mouth[:, 0]
    smooth = smooth_loudness(loudness)
    lag, at_best_lag = best_lag(opening, smooth)
    latents = padded_latents(latents_of_frames(len(frames)), window)
    first = frames[:1] if portrait is None else portrait[None]
    colors = [coarse(first)[0], coarse(frames[-FPS:]).mean(dim=0)]
    return VideoCheck(
        opening=opening,
        loudness=loudness,
        follows=correlation(opening, smooth),
        lag=lag,
        at_best_lag=at_best_lag,
        seams=score_seams(frames, clip_starts(latents, window)),
        likeness=correlation(colors[0].flatten(), colors[1].flatten()),
        color_drift=float((colors[0].mean(dim=(1, 2)) - colors[1].mean(dim=(1, 2))).norm()) * 255,
        blinks=None if face is None else face.blinks(),
    )


def frame_loudness(waveform: Tensor, sample_rate: int, num_frames: int) -> Tensor:
    """Root mean square of (channels, samples) per video frame, (num_frames,), its largest value 1.

    Raises:
        InputError: the sound is not as long as the frames, to a tenth of a second.
    """
    lasts, shown = waveform.shape[-1] / sample_rate, num_frames / FPS
    if abs(lasts - shown) > _SLACK:
        raise InputError(
            f"{num_frames} frames last {shown:.2f} s, the sound {lasts:.2f} s; "
            f"expected the sound of the same frames, {_LEAST} or more"
        )
    power = waveform.float().square().mean(dim=0)
    edges = (torch.arange(num_frames + 1) * sample_rate / FPS).round().long().clamp(max=len(power))
    total = torch.cat([torch.zeros(1, dtype=torch.float64), power.double().cumsum(0)])
    mean = (total[edges[1:]] - total[edges[:-1]]) / (edges[1:] - edges[:-1]).clamp(min=1)
    level = mean.clamp(min=0).sqrt().float()
    return level / level.max().clamp(min=1e-6)


def smooth_loudness(loudness: Tensor) -> Tensor:
    """Mean of a loudness (F,) over the five frames around each; before and after the video it counts as 0."""
    return F.avg_pool1d(loudness[None, None], _SMOOTH, stride=1, padding=_SMOOTH // 2)[0, 0]
