"""Loss on mouths and eyelids: differences between the readings of two pictures by a reader network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from einops import rearrange
from torch import Tensor, nn

from ...errors import InputError
from ...mouth.face_fit import FaceFitSettings, fit_face_reader
from ...mouth.face_reader import box_places, load_face_reader
from ...mouth.fit import FitSettings, fit_mouth
from ...mouth.reader import SOFT, gaussian_blur, load_reader, square
from ..processes import processes

_BLURS = (0.0, SOFT)  # unchanged and coarse: the shape must not hide in a texture
_FACE_BLURS = (0.0, 0.8)  # eyelids are finer


class MouthLoss(nn.Module):
    """Squared differences of opening, width and rounding, read by a separate reader network.

    A mouth is small and its width changes by a few pixels, so a codec that only minimizes pixel differences
    blurs it. The reader has the form of the evaluation's reader, but other weights, from other faces and
    another seed. So the evaluation stays independent. It reads only drawn presenters. This loss goes beyond
    the paper.

    Args:
        weights: file of the reader's weights; fitted and written where it is missing.
        settings: of the fit.
    """

    def __init__(self, weights: Path, settings: FitSettings) -> None:
        super().__init__()
        _fitted_once(weights, lambda path: fit_mouth(path, settings))
        self.reader = load_reader(weights)

    def forward(self, output: Tensor, pixels: Tensor, boxes: Tensor, _eyes: Tensor | None = None) -> Tensor:
        """Mean over frames of the sum of three squared differences; a scalar.

        Args:
            output: (b, 3, f, H, W) in -1..1, what is trained.
            pixels: the same of the original.
            boxes: (b, f, 4) pixel boxes of the mouths, x0, y0, x1, y1.
        """
        centers = _in_square((boxes[..., :2] + boxes[..., 2:]) / 2, pixels).flatten(0, 1)
        total = output.new_zeros(())
        for blur in _BLURS:
            found, true = (self.reader.shape(_pictures(video, blur), centers) for video in (output, pixels))
            total = total + (found - true).square().sum(1).mean() / len(_BLURS)
        return total


class FaceLoss(nn.Module):
    """The same for opening, width, rounding and both lids, of photographs and drawn presenters.

    Args:
        weights: file of the reader's weights; fitted and written where it is missing.
        settings: of the fit.
        lids: weight of the lids' differences; the mouth's weight is 1.
    """

    def __init__(self, weights: Path, settings: FaceFitSettings, lids: float = 1.0) -> None:
        super().__init__()
        _fitted_once(weights, lambda path: fit_face_reader(path, settings))
        self.reader = load_face_reader(weights)
        self.lids = lids

    def forward(self, output: Tensor, pixels: Tensor, boxes: Tensor, eyes: Tensor) -> Tensor:
        """Mean over frames of the weighted sum of squared differences; a scalar.

        Args:
            output: (b, 3, f, H, W) in -1..1, what is trained.
            pixels: the same of the original.
            boxes: (b, f, 4) pixel boxes of the mouths, x0, y0, x1, y1.
            eyes: (b, f, 2, 4), the same for both eyes.

        Raises:
            InputError: the eyes' boxes are empty.
        """
        if not bool((eyes[..., 2] > eyes[..., 0]).all()):
            raise InputError("a video has no boxes of the eyes; make it again with 'read-core corpus'")
        places = _in_square(box_places(eyes, boxes), pixels).flatten(0, 1)
        weights = output.new_tensor([1.0, 1.0, 1.0, self.lids, self.lids])
        total = output.new_zeros(())
        for blur in _FACE_BLURS:
            found, true = (self.reader.read(_pictures(video, blur), places) for video in (output, pixels))
            total = total + ((found - true).square() * weights).sum(1).mean() / len(_FACE_BLURS)
        return total


def _fitted_once(weights: Path, fit: Callable[[Path], float]) -> None:
    """Call ``fit`` to write the weights, unless the file exists."""
    with processes().main_process_first():
        if not weights.exists():
            weights.parent.mkdir(parents=True, exist_ok=True)
            temporary = weights.with_suffix(".tmp")
            fit(temporary)
            temporary.rename(weights)


def _in_square(places: Tensor, pixels: Tensor) -> Tensor:
    """Pixels x, y (..., 2) of the pictures -> -1..1 in their middle square."""
    height, width = pixels.shape[-2:]
    side = min(height, width)
    corner = places.new_tensor([(width - side) // 2, (height - side) // 2])
    return (places - corner) * 2 / side - 1


def _pictures(video: Tensor, blur: float) -> Tensor:
    """(b, 3, f, H, W) in -1..1 -> pictures (b f, 3, SIDE, SIDE) in 0..1, for the reader."""
    pictures = square(rearrange((video + 1) / 2, "b c f h w -> (b f) h w c"))
    return gaussian_blur(pictures, blur) if blur else pictures
