"""A contact sheet of generated videos under the drawn ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from ..errors import MediaError

if TYPE_CHECKING:
    from torch import Tensor

_COLUMNS = 10


def save_comparison(pairs: Sequence[tuple[Tensor, Tensor]], path: Path, columns: int = _COLUMNS) -> None:
    """Draw ``columns`` frames spread over each pair of videos (F, H, W, 3), 0..1, the true one above.

    Raises:
        MediaError: the file cannot be written.
    """
    rows = []
    for pair in pairs:
        for frames in pair:
            chosen = torch.linspace(0, len(frames) - 1, columns).round().long()
            rows.append(torch.cat(list(frames[chosen]), dim=1))
    pixels = (torch.cat(rows).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    try:
        Image.fromarray(pixels).save(path, format="PNG")
    except OSError as error:
        raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error
