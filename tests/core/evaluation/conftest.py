"""A pipeline and a sample that the suites' tests share."""

from __future__ import annotations

import pytest

from read_core.evaluation.material import draw_sample
from read_core.pipeline import ReadPipeline


@pytest.fixture(scope="session")
def pipe(tiny_components):
    """The tiny checkpoint's pipeline: windows of 4, so 25 frames for a clip and 16 for each further one."""
    return ReadPipeline(tiny_components)


@pytest.fixture(scope="session")
def sample():
    """41 frames: two clips."""
    pytest.importorskip("espeakng_loader")
    return draw_sample(0, "test", 41, (64, 96))
