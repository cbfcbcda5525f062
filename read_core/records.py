"""What travels between the stages of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SpeechCodes:
    """Speech latent codes C (eq. 6), one per generated latent.

    Attributes:
        codes: (1, M, h_w, d_A) float32; code i - 1 belongs to z_i. M exceeds the latents that ``num_frames``
            needs by silence enough to fill the last clip of any window up to ``geometry.MAX_WINDOW``, or up
            to the ``max_window`` that it was encoded for.
        num_frames: video frames F that the recording lasts; the video is trimmed to it.
    """

    codes: Tensor
    num_frames: int


@dataclass(frozen=True)
class Reference:
    """The portrait as the model sees it.

    Attributes:
        latent: (1, C, 1, h, w), normalised, z_R (eq. 11).
        image: (H, W, 3) float 0..1, the portrait as it was encoded, brought to the size of the video.
        box: left, top, right and bottom of what it shows, in pixels of the original; it may reach beyond it.
    """

    latent: Tensor
    image: Tensor
    box: tuple[int, int, int, int]
