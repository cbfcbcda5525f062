"""Restore the portrait's detail in decoded frames."""

from __future__ import annotations

from .network import DetailNetwork
from .restorer import DetailRestorer

__all__ = ["DetailNetwork", "DetailRestorer"]
