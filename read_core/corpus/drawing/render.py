"""Draw a presenter, its motion and a mouth track as video frames, at any size and on any device."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..motion import Motion
from .beard import paint_beard
from .canvas import Pose, head_pose, make_canvas
from .features import paint_brows, paint_eyes, paint_glasses, paint_nose
from .head import paint_background, paint_body, paint_ears, paint_face, paint_hair_back, paint_hair_front
from .lips import mouth_extent, paint_mouth
from .presenter import Presenter
from .state import make_state

CPU_PIXELS = 20 * 128 * 128  # pixels drawn at a time; more would not stay in a core's cache
DEVICE_PIXELS = 64 * 128 * 128


def render(
    presenter: Presenter,
    motion: Motion,
    mouth: Tensor,
    size: int | tuple[int, int] = 128,
    start: int = 0,
    stop: int | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw frames start .. stop (default: all) of F.

    mouth: (F, 3) of open 0..1, width -1..1, round 0..1. size: pixels, a number or (height, width).
    device: where to draw and return, by default the mouth's. Returns (stop - start, H, W, 3), 0..1.
    The gap between the lips is open * mouth_gap * head_scale of the picture's shorter side high.
    Raises InputError when the tracks' lengths, the size or the range do not fit.
    """
    height, width = _check_size(size)
    frames = len(motion)
    if mouth.shape != (frames, 3):
        raise InputError(
            f"the mouth track has shape {tuple(mouth.shape)}; expected ({frames}, 3) as the motion has"
        )
    stop = frames if stop is None else stop
    if not 0 <= start <= stop <= frames:
        raise InputError(f"frames {start} to {stop} requested; expected a range within 0 to {frames}")
    target = torch.device(device) if device is not None else mouth.device
    pixels = CPU_PIXELS if target.type == "cpu" else DEVICE_PIXELS
    chunks = max(1, math.ceil((stop - start) / max(1, pixels // (height * width))))
    chunk = max(
        1, math.ceil((stop - start) / chunks)
    )  # of even size: a last chunk of one frame would cost as much

    background = torch.empty(3, height, width, device=target)
    paint_background(background, presenter)
    video = torch.empty(stop - start, height, width, 3, dtype=dtype, device=target)
    with torch.no_grad():
        for first in range(start, stop, chunk):
            last = min(first + chunk, stop)
            rgb = _draw(background, presenter, cut(motion, first, last), mouth[first:last].to(target).float())
            video[first - start : last - start] = rgb.permute(0, 2, 3, 1)
    return video


def mouth_box(presenter: Presenter, motion: Motion, size: int | tuple[int, int] = 128) -> Tensor:
    """Pixel box (F, 4) of x0, y0, x1, y1, float, that contains the lips in every shape, also fully open."""
    half, above, below = mouth_extent(presenter)
    return _box(presenter, motion, size, (0.0, presenter.mouth_y), (half, above, below))


def eye_boxes(presenter: Presenter, motion: Motion, size: int | tuple[int, int] = 128) -> Tensor:
    """Pixel boxes (F, 2, 4) of both eyes with their lids, the picture's left eye first."""
    reach = (1.2 * presenter.eye_width, 1.6 * presenter.eye_height, 1.3 * presenter.eye_height)
    sides = (-presenter.eye_spacing, presenter.eye_spacing)
    return torch.stack([_box(presenter, motion, size, (x, presenter.eye_y), reach) for x in sides], dim=1)


def _box(
    presenter: Presenter,
    motion: Motion,
    size: int | tuple[int, int],
    place: tuple[float, float],
    reach: tuple[float, float, float],
) -> Tensor:
    """Pixel boxes (F, 4) around a feature at ``place``, reaching to the sides, up and down, in head units."""
    height, width = _check_size(size)
    pose = head_pose(presenter, motion, height, width)
    state = make_state(motion, torch.zeros(len(motion), 3))
    center_x, center_y, _ = (t.flatten().double().numpy() for t in state.place(presenter, *place))
    half, above, below = reach
    corner_x = center_x + np.array([-half, half, -half, half])[:, None]
    corner_y = center_y + np.array([-above, -above, below, below])[:, None]
    columns, rows = pose.to_pixels(corner_x, corner_y)
    edges = np.stack([columns.min(0), rows.min(0), columns.max(0), rows.max(0)], axis=1)
    return torch.from_numpy(edges).float()


def cut(motion: Motion, start: int, stop: int) -> Motion:
    """Frames start .. stop of a motion."""
    return Motion(**{f.name: getattr(motion, f.name)[start:stop] for f in dataclasses.fields(motion)})


def _draw(background: Tensor, presenter: Presenter, motion: Motion, mouth: Tensor) -> Tensor:
    """All parts from back to front: (f, 3, H, W)."""
    rgb = background.expand(len(mouth), *background.shape).contiguous()
    pose: Pose = head_pose(presenter, motion, *background.shape[1:])
    canvas = make_canvas(rgb, pose)
    state = make_state(motion, mouth)
    paint_hair_back(canvas, presenter)
    paint_body(make_canvas(rgb, head_pose(presenter, _damped(motion), *background.shape[1:])), presenter)
    paint_ears(canvas, presenter, state)
    face, jaw_y, distance = paint_face(canvas, presenter, state)
    paint_nose(canvas, presenter, state)
    paint_beard(face, jaw_y, distance, presenter, state)
    paint_mouth(canvas, presenter, state)
    paint_eyes(canvas, presenter, state)
    paint_hair_front(canvas, presenter, state)
    paint_brows(canvas, presenter, state)
    paint_glasses(canvas, presenter, state)
    return rgb.clamp_(0.0, 1.0)


def _damped(motion: Motion) -> Motion:
    """The part of the head's motion that the shoulders follow."""
    share = {"roll": 0.2, "x": 0.5, "y": 0.3, "scale": 0.5}
    return dataclasses.replace(motion, **{name: part * getattr(motion, name) for name, part in share.items()})


def _check_size(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 16 or width < 16:
        raise InputError(f"the picture's size is {height} x {width} pixels; expected at least 16 x 16")
    return height, width
