"""Move, resize or align the head of presenters, since users' portraits rarely fill the picture."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random

from ..errors import InputError
from .drawing.presenter import Presenter

ZOOM = (0.72, 1.25)  # size of the head relative to the usual size
RIGHT = (-0.13, 0.13)  # shift of the head in head units
DOWN = (-0.06, 0.13)
NEAR_ZOOM, NEAR_SHIFT = (
    0.06,
    0.02,
)  # variation around an alignment: of the logarithm of the size, of the place


def check_share(share: float) -> None:
    """Raise InputError unless ``share`` is in 0..1."""
    if not 0 <= share <= 1:
        raise InputError(f"framing is {share}; expected a share of the videos, 0 to 1")


def framed(presenter: Presenter, seed: int, split: str, share: float) -> Presenter:
    """Move and resize the head of a ``share`` (0..1) of the presenters; the others are unchanged.

    The same (seed, split, share) gives the same framing. A larger share also moves all heads of a smaller
    one, equally.

    Raises:
        InputError: the share is out of range.
    """
    check_share(share)
    key = hashlib.sha256(f"framing/{split}/{seed}".encode()).digest()
    rng = random.Random(int.from_bytes(key[:8], "big"))
    if rng.random() >= share:
        return presenter
    zoom = math.exp(rng.uniform(math.log(ZOOM[0]), math.log(ZOOM[1])))
    return dataclasses.replace(
        presenter,
        head_scale=presenter.head_scale * zoom,
        head_x=presenter.head_x + rng.uniform(*RIGHT),
        head_y=presenter.head_y + rng.uniform(*DOWN),
    )


def aligned(presenter: Presenter, seed: int, split: str, layout: tuple[float, float, float]) -> Presenter:
    """Move and resize the head to bring eyes and mouth to their places in ``layout``, with small variations.

    Args:
        layout: eye distance, height of the eyes and height of the mouth, shares of the picture's side.
    """
    key = hashlib.sha256(f"alignment/{split}/{seed}".encode()).digest()
    rng = random.Random(int.from_bytes(key[:8], "big"))
    distance, eyes, mouth = layout
    # Least squares over both eyes and the mouth, in head units relative to their mean.
    high = presenter.mouth_y - presenter.eye_y
    spacing = 2 * presenter.eye_spacing
    scale = (distance * spacing / 2 + (mouth - eyes) * high * 2 / 3) / (spacing**2 / 2 + high**2 * 2 / 3)
    scale *= math.exp(rng.uniform(-NEAR_ZOOM, NEAR_ZOOM))
    middle = (2 * presenter.eye_y + presenter.mouth_y) / 3
    return dataclasses.replace(
        presenter,
        head_scale=scale,
        head_x=rng.uniform(-NEAR_SHIFT, NEAR_SHIFT),
        head_y=(2 * eyes + mouth) / 3 - 0.5 - scale * middle + rng.uniform(-NEAR_SHIFT, NEAR_SHIFT),
    )
