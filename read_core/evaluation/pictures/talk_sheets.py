"""Contact sheets of talks: as rendered, through the codec and as generated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .rows import COLUMNS, save_rows, spread

if TYPE_CHECKING:
    from ..material.talks import Talk
    from ..suites.real import RealVideo

PUBLIC = "photographs.png"
"""Blended faces and real people in the public domain: it may be published."""
PRIVATE = "faces-private.png"
"""Single pictures of the user's folder of portraits: not for publication."""
_SIDE = 160  # pixels of a picture


@dataclass(frozen=True)
class TalkRows:
    """Pictures of a talk for a sheet.

    Attributes:
        name: the talk's.
        pictures: (3, COLUMNS, S, S', 3) uint8: as rendered, through the codec, generated.
    """

    name: str
    pictures: Tensor


def rows_of_talk(talk: Talk, coded: Tensor, made: Tensor) -> TalkRows:
    """Pictures of a talk, its frames after the codec, and its video, (F, H, W, 3), 0..1 each."""
    true = talk.pixels[: len(coded)]
    rows = [torch.stack(list(spread(video, COLUMNS))) for video in (true.float() / 255, coded, made)]
    return TalkRows(talk.name, (torch.stack(rows) * 255).round().to(torch.uint8))


@dataclass
class TalkSheet:
    """Collects rows; keeps small pictures, no video."""

    rows: list[tuple[str, list[Tensor]]] = field(default_factory=list)

    def add_talk(self, shown: TalkRows) -> None:
        """Add the rows of a talk."""
        names = f"{shown.name},\nas rendered", "through the codec", "generated"
        for name, pictures in zip(names, shown.pictures.float() / 255, strict=True):
            self.rows.append((name, list(pictures)))

    def add_real(self, video: RealVideo) -> None:
        """Add a row of a real photograph's video."""
        self.rows.append((f"{video.picture},\ngenerated", [f.clone() for f in spread(video.frames, COLUMNS)]))

    def save(self, path: Path) -> bool:
        """Draw the sheet unless it is empty; return whether it was drawn.

        Raises:
            MediaError: the file cannot be written.
        """
        if self.rows:
            save_rows(self.rows, path, _SIDE)
        return bool(self.rows)
