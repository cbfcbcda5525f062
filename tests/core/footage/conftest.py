"""Footage to prepare."""

from __future__ import annotations

import pytest

from ..footage_videos import fast_settings


@pytest.fixture
def settings(tiny_checkpoint):
    """See ``footage_videos.fast_settings``."""
    return fast_settings(tiny_checkpoint)
