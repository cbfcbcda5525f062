"""A few drawn videos, spoken by the stand-in synthesiser, so that nothing need be installed."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory):
    """Six training and two validation videos of 41 frames at 64 x 64; leave them as they are."""
    from read_core.corpus.build import build_corpus
    from read_core.corpus.scene import Scene

    folder = tmp_path_factory.mktemp("clips")
    for split, count in (("train", 6), ("validation", 2)):
        build_corpus(folder, Scene(0, split, 41 / 25, 64, "babble"), count)
    return folder
