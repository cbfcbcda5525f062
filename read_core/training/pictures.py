"""Contact sheets of training: rows of pictures as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..media import VideoWriter
from ..media.files import partial_beside


def save_rows(rows: Sequence[Sequence[Tensor]], path: Path) -> None:
    """Write rows of equally large pictures, (H, W, 3) float in 0..1 each, as one PNG."""
    sheet = torch.cat([torch.cat(list(row), dim=1) for row in rows], dim=0)
    array = (sheet.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    temporary = path.with_suffix(".tmp")
    Image.fromarray(array).save(temporary, format="PNG")
    temporary.rename(path)


def save_clips(clips: Sequence[Tensor], path: Path) -> None:
    """Write clips of equal size, (F, H, W, 3) float in 0..1, next to each other as one MP4 without sound.

    Raises:
        MediaError: it cannot be written.
    """
    partial_beside(path).unlink(missing_ok=True)  # of a run that was killed
    joined = torch.cat([clip.float().cpu() for clip in clips], dim=2)
    with VideoWriter(path, (joined.shape[1], joined.shape[2]), overwrite=True) as video:
        video.write(joined.clamp(0, 1))
