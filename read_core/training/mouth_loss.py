"""What the difference of two pictures leaves out: whether a reader sees the same mouth in both."""

from __future__ import annotations

from pathlib import Path

from einops import rearrange
from torch import Tensor, nn

from ..mouth.fit import FitSettings, fit_mouth
from ..mouth.reader import SOFT, gaussian_blur, load_reader, square
from .processes import processes

_BLURS = (0.0, SOFT)  # as they are, and coarse: the shape must not hide in a texture


class MouthLoss(nn.Module):
    """Squared differences of opening, width and rounding, as a reader of its own sees them.

    A mouth is small and its width changes by a few pixels, so a codec that minimises the difference of pixels
    blurs just that. The reader has the form of the evaluation's measure but weights of its own, from
    other faces and another seed: the measure stays independent of what is trained. It reads drawn presenters
    only.

    Args:
        weights: file of the reader's weights; fitted and written where it is missing.
        settings: of the fit.
    """

    def __init__(self, weights: Path, settings: FitSettings) -> None:
        super().__init__()
        with processes().main_process_first():
            if not weights.exists():
                weights.parent.mkdir(parents=True, exist_ok=True)
                temporary = weights.with_suffix(".tmp")
                fit_mouth(temporary, settings)
                temporary.rename(weights)
        self.reader = load_reader(weights)

    def forward(self, output: Tensor, pixels: Tensor, boxes: Tensor) -> Tensor:
        """Mean over frames of the three squared differences' sum; a scalar.

        Args:
            output: (b, 3, f, H, W) in -1..1, what is trained.
            pixels: the same of the original.
            boxes: (b, f, 4) pixel boxes of the mouths, x0, y0, x1, y1.
        """
        height, width = pixels.shape[-2:]
        side = min(height, width)
        corner = boxes.new_tensor([(width - side) // 2, (height - side) // 2])
        middles = (boxes[..., :2] + boxes[..., 2:]) / 2
        centres = (middles - corner).flatten(0, 1) * 2 / side - 1
        total = output.new_zeros(())
        for blur in _BLURS:
            found, true = (self.reader.shape(_pictures(video, blur), centres) for video in (output, pixels))
            total = total + (found - true).square().sum(1).mean() / len(_BLURS)
        return total


def _pictures(video: Tensor, blur: float) -> Tensor:
    """(b, 3, f, H, W) in -1..1 -> pictures (b f, 3, SIDE, SIDE) in 0..1, for the reader."""
    pictures = square(rearrange((video + 1) / 2, "b c f h w -> (b f) h w c"))
    return gaussian_blur(pictures, blur) if blur else pictures
