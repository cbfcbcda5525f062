"""Draw stubble, beards and mustaches. They move with jaw and lips and leave a margin around the lips."""

from __future__ import annotations

import torch
from torch import Tensor

from .canvas import Canvas, ellipse
from .lips import UPPER_SHARE, lip_thickness, mouth_half_width
from .presenter import Presenter
from .state import FaceState

RIM = 0.012


def paint_beard(
    face: Canvas, jaw_y: Tensor, distance: Tensor, presenter: Presenter, state: FaceState
) -> None:
    """Draw the presenter's beard and moustache.

    face, jaw_y, distance: the part painted by `paint_face`, its y without the drop of the jaw, and the face's
    signed distance, each (f, h, w).
    """
    if presenter.beard == "none" and presenter.moustache == 0.0:
        return
    half_width, upper, lower, gap = _lips(presenter, state)
    center_x, center_y, turned = state.place(presenter, 0.0, presenter.mouth_y)
    x, y = (face.x - center_x) / turned, face.y - center_y
    if presenter.beard != "none":
        if presenter.beard == "goatee":
            low, high = presenter.chin + 0.012, presenter.mouth_y - 0.01
            shape = ellipse(x, jaw_y - 0.5 * (low + high), 0.115, 0.5 * (low - high))
        else:
            u = face.x / presenter.face_width
            u2 = u * u
            edge = presenter.mouth_y - 0.074 + 0.10 * u2 - 0.30 * u2 * u2
            shape = torch.maximum(
                distance - (0.014 if presenter.beard == "full" else 0.0), 0.7 * (edge - jaw_y)
            )
        up, down = UPPER_SHARE * gap + upper, (1.0 - UPPER_SHARE) * gap + lower
        lips = ellipse(x, y - 0.5 * (down - up), half_width + RIM, 0.5 * (down + up) + RIM)
        strength = 0.30 if presenter.beard == "stubble" else 0.96
        face.paint(strength * face.inside(torch.maximum(shape, -lips)), presenter.beard_color)
    if presenter.moustache > 0.0:
        lip_top = UPPER_SHARE * gap + upper
        s = x / (0.5 * (presenter.mouth_width + half_width))
        s2 = (s * s).clamp(max=1.0)
        thick = presenter.moustache * (1.0 - s2) ** 0.5
        middle = -lip_top - 0.006 - presenter.moustache + (0.7 * lip_top + presenter.moustache) * s2
        face.paint(0.95 * face.between(y, middle - thick, middle + thick), presenter.beard_color)


def _lips(presenter: Presenter, state: FaceState) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    upper, lower = lip_thickness(presenter, state.width, state.rounding)
    half_width = mouth_half_width(presenter, state.width, state.rounding)
    return half_width, upper, lower, presenter.mouth_gap * state.opening
