"""nodes/placement.py against the host's memory manager, with a ``meta`` device in the place of a GPU."""

import json

import pytest

from .host import run_in_host

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


@pytest.fixture(scope="module")
def found(installation):
    return json.loads(run_in_host(installation, "placement.py"))


@pytest.mark.parametrize("vram", ["normal", "low", "no"])
@pytest.mark.parametrize("room", ["room", "short"])
def test_a_model_in_use_is_on_the_gpu_whole(found, vram, room):
    result = found[f"{vram} vram, {room}"]
    assert result == {
        "before": "cpu",
        "first use": "meta",
        "evicted": "cpu",
        "after eviction": "meta",
        "another": "meta",
        "after another": "meta",
        "together": "meta meta",
        "unloaded": "cpu cpu",
    }


def test_the_bundled_models_can_be_placed_and_unloaded(found):
    assert found["bundled"] == {
        "before": "cpu cpu cpu",
        "placed": "meta meta meta",
        "unloaded": "cpu cpu cpu",
    }
