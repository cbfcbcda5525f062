"""Contact sheets of talks: as rendered, through the codec and as generated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .rows import COLUMNS, save_rows, spread

if TYPE_CHECKING:
    from torch import Tensor

    from ..material.talks import Talk
    from ..suites.real import RealVideo

PUBLIC = "photographs.png"
"""Blended faces and real people in the public domain: it may be published."""
PRIVATE = "faces-private.png"
"""Single pictures of the user's folder of portraits: not for publication."""
_SIDE = 160  # pixels of a picture


@dataclass
class TalkSheet:
    """Collects rows; keeps small pictures, no video.

    Attributes:
        most: number of talks shown; later ones are left out.
    """

    most: int
    rows: list[tuple[str, list[Tensor]]] = field(default_factory=list)
    shown: int = 0

    def add_talk(self, talk: Talk, coded: Tensor, made: Tensor) -> None:
        """Add rows of a talk, its frames after the codec, and its video, (F, H, W, 3), 0..1 each."""
        if self.shown >= self.most:
            return
        self.shown += 1
        true = talk.pixels[: len(coded)]
        self.rows.append(
            (f"{talk.name},\nas rendered", [frame.float() / 255 for frame in spread(true, COLUMNS)])
        )
        self.rows.append(("through the codec", [frame.clone() for frame in spread(coded, COLUMNS)]))
        self.rows.append(("generated", [frame.clone() for frame in spread(made, COLUMNS)]))

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
