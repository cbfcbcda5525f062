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


@pytest.mark.parametrize("vram", ["normal", "low", "no"])
@pytest.mark.parametrize("room", ["room", "short"])
def test_a_lora_and_its_base_take_turns_on_the_gpu(found, vram, room):
    assert found[f"patched, {vram} vram, {room}"] == {
        "patched": True,
        "lora": "meta, patched",
        "unloaded": "cpu, as stored",
        "base 0": "meta, as stored",
        "lora 1": "meta, patched",
        "base 2": "meta, as stored",
    }


def test_what_the_work_itself_needs_makes_another_model_leave(found):
    assert found["activations"] == {"100 MB of work": "meta meta", "8100 MB of work": "meta cpu"}


def test_what_core_gets_lies_on_the_host_s_intermediate_device(found):
    assert found["handed on"] == dict.fromkeys(("codes", "image", "latent", "frames"), "meta")


def test_the_bundled_models_can_be_placed_and_unloaded(found):
    assert found["bundled"] == {
        "before": "cpu cpu cpu",
        "placed": "meta meta meta",
        "unloaded": "cpu cpu cpu",
    }
