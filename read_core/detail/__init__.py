"""The portrait's own detail for decoded frames."""

from __future__ import annotations

from .restorer import DetailRestorer

__all__ = ["DetailRestorer"]
