"""The portrait's own detail for decoded frames."""

from __future__ import annotations

from .network import DetailNetwork
from .restorer import DetailRestorer

__all__ = ["DetailNetwork", "DetailRestorer"]
