"""A few drawn videos, spoken by the stand-in synthesiser, so that nothing need be installed."""

from __future__ import annotations

import pytest

FRAMES = 41


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory):
    """Six training and two validation videos of 41 frames at 64 x 64; leave them as they are."""
    from safetensors.torch import save_file

    from read_core.training.clips import Scene, draw_scene

    folder = tmp_path_factory.mktemp("clips")
    for split, count in (("train", 6), ("validation", 2)):
        (folder / split).mkdir()
        for seed in range(count):
            scene = draw_scene(Scene(seed, split, FRAMES / 25, 64, "babble"))
            save_file(scene, folder / split / f"babble-{seed:06d}.safetensors")
    return folder
