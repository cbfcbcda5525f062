"""The checkpoint that comes with the package."""

from __future__ import annotations

from pathlib import Path

BUNDLED = Path(__file__).parent / "checkpoints" / "read-tiny"
