"""Keep everything above the mouth as it is in the portrait, for models that move the mouth alone."""

from __future__ import annotations

import torch
from torch import Tensor

from ..face.paste import smooth

# Heights on the face: 0 at the eyes, 1 at the middle of the mouth.
_KEPT, _FREE = 0.3, 0.6  # the portrait alone above the first, the frame alone below the second


class StillHead:
    """Decoded frames -> the same frames with the portrait's eyes, brows and forehead.

    If a model does not move the head, whatever it changes above the mouth is an error: eyes that smear or
    fade. Blinks and head motion are added later. A result depends only on its frame.

    Args:
        points: (3, 2), centers of both eyes and of the mouth as fractions of width and height.
        decoded: (h, w, 3), 0..1: the codec's picture of the portrait, at the size of the frames.
    """

    def __init__(self, points: Tensor, decoded: Tensor) -> None:
        height, width = decoded.shape[:2]
        sides = torch.tensor([width / height, 1.0])
        left, right, mouth = (points.float().cpu() * sides).unbind(0)
        eyes = (left + right) / 2
        down = mouth - eyes
        steps = [(torch.arange(count) + 0.5) / count for count in (width, height)]
        places = torch.stack(torch.meshgrid(*steps, indexing="xy"), dim=-1) * sides
        heights = (places - eyes) @ down / down.square().sum().clamp(min=1e-6)
        self.decoded = decoded.float()
        self.share = 1 - smooth((heights - _KEPT) / (_FREE - _KEPT))[..., None]

    def hold(self, frames: Tensor) -> Tensor:
        """(n, h, w, 3) float, 0..1 -> the same, on the frames' device."""
        self.decoded, self.share = (kept.to(frames.device) for kept in (self.decoded, self.share))
        return torch.lerp(frames.float(), self.decoded, self.share)
