"""Frame a portrait for the model: its middle, all of it, or a crop aligned with a face."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import InputError, OnWarning, warn
from ..limits import FACE, PORTRAIT_SIDE
from ..media import fit_image
from ..records import FaceChoice, Reference
from .alignment import FaceCrop, FaceLayout, cut_face, face_crop, upright_order

if TYPE_CHECKING:
    from ..checkpoint import Card
    from ..video import TemporalVAE
    from .finder import Faces

_CORE = (0.25, 0.75)  # part of an aligned crop with the face
_SMALL = 0.5  # pixels of the original per pixel of the frame
_TURNED = 0.6  # eye distance / distance from eyes to mouth, relative to the layout's
_REMARKS = {
    "cut": "the picture's border cuts the face; expect a poor video, or use a picture of the whole face",
    "tilted": "the face is not upright; turn the picture first, or it speaks in this position",
    "turned": "the face is turned away; expect a poor video, or use a picture that looks into the camera",
}
_LEAST = 8  # smallest side in pixels of a crop by hand


@dataclass(frozen=True)
class Framing:
    """A portrait at the size of the model's frames; for the attributes see ``Reference``."""

    image: Tensor
    box: tuple[int, int, int, int]
    face: FaceCrop | None = None
    points: Tensor | None = None


def frame_portrait(
    image: Tensor,
    size: tuple[int, int],
    fit: str,
    layout: FaceLayout | None,
    choice: FaceChoice,
    find: Callable[[Tensor], Faces],
    on_warning: OnWarning = warn,
) -> Framing:
    """Bring a portrait to the size of the model's frames.

    Warns if there is no face, or if it is small, cut by the picture's border or turned away. Without a face
    the middle of the picture is used.

    Args:
        image: (H, W, 3) float, 0..1.
        size: (height, width) of the video.
        fit: ``face``, or one of :func:`read_core.media.fit_image`.
        layout: place of the face in an aligned crop; None: the default layout.
        choice: number or place of the face; only used with the fit ``face``.
        find: function that finds faces.

    Raises:
        InputError: the size is impossible, ``fit`` unknown, the place outside the picture, or there are fewer
            faces than ``choice`` needs.
    """
    if fit != FACE:
        if choice.by_hand:
            on_warning(
                f"the face's place has no effect with the fit {fit}: it only works with the fit {FACE}"
            )
        return Framing(*fit_image(image, size, fit))
    layout = layout or FaceLayout()
    if choice.by_hand:
        crop, points = _by_hand(image, size, choice), layout.points(size)
    else:
        found = find(image).points
        if not len(found) and choice.index == 0:
            on_warning(
                "no face was found, so the middle of the picture is used; give the face's place by hand "
                "(face_x, face_y and face_size; --face on the command line), or use another picture"
            )
            return Framing(*fit_image(image, size, "crop"))
        if choice.index >= len(found):
            raise InputError(
                f"the face's index is {choice.index}; faces found: {len(found)}; "
                f"expected 0 to {max(0, len(found) - 1)}, the largest first"
            )
        chosen = upright_order(found[choice.index].cpu().float())
        crop = face_crop(chosen, size, layout)
        points = crop.to_crop(chosen)
        if (remark := _remark(chosen, crop, image.shape[:2], size, layout)) is not None:
            on_warning(remark)
    return Framing(cut_face(image, crop, size), crop.box, crop, points)


def warn_of_framing(card: Card, size: tuple[int, int], fit: str, on_warning: OnWarning = warn) -> None:
    """Warn if the faces of a checkpoint of aligned faces do not come as in its training.

    Args:
        card: of the checkpoint.
        size: (height, width) of the model's frames.
        fit: of the portrait.
    """
    if fit != FACE:
        on_warning(
            f"the fit is {fit}, but {card.name} was trained on aligned faces: expect worse videos; "
            f"choose {FACE} or the checkpoint's default"
        )
    if size != card.resolution:
        trained = f"{card.resolution[1]} x {card.resolution[0]}"
        on_warning(
            f"the model works at {size[1]} x {size[0]}, but {card.name} was trained at {trained}: lips may "
            "hardly move; leave the model's size as it is, and set the size of the result instead"
        )


def encoded(vae: TemporalVAE, image: Tensor, framing: Framing) -> Reference:
    """Encode a framed picture (H, W, 3) as a reference."""
    latent = vae.encode(framing.image[None, None])
    reference = Reference(
        latent=latent,
        image=framing.image,
        box=framing.box,
        face=framing.face,
        points=framing.points,
        decoded=vae.decode(latent)[0, 0].to(framing.image.device),
        original=(image.shape[0], image.shape[1]),
    )
    frame = framing.image.shape[0], framing.image.shape[1]
    return replace(reference, portrait=cut_face(image, reference.crop, portrait_size(reference.crop, frame)))


def portrait_size(crop: FaceCrop, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a crop at the original's resolution; even, with the aspect ratio of the frame.

    The longest side is at most ``PORTRAIT_SIDE``, unless the frame is larger.

    Args:
        crop: the crop.
        size: size of the frame; the result is never smaller.
    """
    own = max(crop.height, crop.width)
    return scaled_size(size, max(*size, min(round(own), PORTRAIT_SIDE)))


def scaled_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(height, width) with the aspect ratio of ``size`` and that longest side or one less; even."""
    longest = longest // 2 * 2
    height, width = (max(2, round(side * longest / max(size) / 2) * 2) for side in size)
    return height, width


def _by_hand(image: Tensor, size: tuple[int, int], choice: FaceChoice) -> FaceCrop:
    """The upright crop whose middle square is the chosen one."""
    height, width = image.shape[:2]
    x, y, side = (value * width for value in (choice.x, choice.y, choice.size))
    if not (0 <= x <= width and 0 <= y <= height):
        raise InputError(
            f"the face's center is at ({x:.0f}, {y:.0f}), outside the picture of {width} x {height} pixels; "
            f"expected fractions of its width: x up to 1, y up to {height / width:.2f}"
        )
    if side < _LEAST:
        raise InputError(f"the face's square is {side:.1f} pixels large; expected {_LEAST} or more")
    frame_height, frame_width = size
    scale = side / min(size)
    return FaceCrop(x, y, scale * frame_width, scale * frame_height)


def flaw_of(
    points: Tensor, crop: FaceCrop, original: tuple[int, ...], least: float, layout: FaceLayout
) -> str | None:
    """Why a face gives a poor video: the first of ``cut``, ``small``, ``tilted``, ``turned`` that is true.

    Args:
        points: (3, 2) eyes and mouth, pixels of the picture.
        crop: of the face.
        original: height and width of the picture.
        least: smallest allowed width of the crop, in pixels of the picture.
        layout: place of the face in the crop.
    """
    height, width = original[:2]
    corners = torch.tensor([[x, y] for x in _CORE for y in _CORE])
    core = crop.to_original(corners)
    if not bool(((core >= 0) & (core <= core.new_tensor([width, height]))).all()):
        return "cut"
    if crop.width < least:
        return "small"
    if abs(crop.roll) > math.pi / 3:
        return "tilted"
    eyes, mouth = (points[1] - points[0]).norm(), (points[2] - points[:2].mean(0)).norm()
    narrow = float(eyes / mouth.clamp(min=1e-6)) * (layout.mouth - layout.eyes) / layout.eye_distance
    return "turned" if narrow < _TURNED else None


def _remark(
    points: Tensor, crop: FaceCrop, original: tuple[int, ...], size: tuple[int, int], layout: FaceLayout
) -> str | None:
    """The warning about a face that makes a poor video."""
    flaw = flaw_of(points, crop, original, _SMALL * size[1], layout)
    if flaw == "small":
        return (
            f"the face is small: {crop.width:.0f} pixels of the picture become {size[1]}; "
            "expect a soft video, or use a closer or larger picture"
        )
    return _REMARKS.get(flaw or "")
