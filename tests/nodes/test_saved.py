"""Graphs that were saved with earlier versions: they are accepted, and make what they made."""

import json

import pytest

from .host import ROOT
from .prompts import changed, node
from .test_workflows import FRAMES, SECONDS, SIDE, START, read_video, saved

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
FOLDER = ROOT / "tests" / "workflows" / "saved" / "api"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
VIDEO = {"READ_talking_head": "9", "READ_check": "9", "READ_compare_guidance": "12", "READ_long_audio": "4"}
COMBO = "COMBO"


def prompt_of(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_there_are_five():
    assert len(NAMES) == 5


@pytest.mark.parametrize("name", NAMES)
def test_every_input_is_still_one_and_none_is_missing(client, name):
    for held in prompt_of(name).values():
        kind, inputs = held["class_type"], held["inputs"]
        if not kind.startswith("READ_"):
            continue
        schema = client.get(f"/object_info/{kind}")[kind]["input"]
        required, optional = schema["required"], schema.get("optional", {})
        given = {key for key in inputs if "." not in key}  # the others are a choice's own
        assert set(required) <= given <= set(required) | set(optional)
        for key in given:
            what, *options = required.get(key) or optional[key]
            offered = what if isinstance(what, list) else options[0].get("options") if what == COMBO else None
            if offered and key not in ("checkpoint", "guidance"):
                assert inputs[key] in offered, f"{kind}.{key}"


@pytest.mark.parametrize("name", sorted(VIDEO))
def test_it_runs_to_a_video_of_the_size_that_it_had(host, client, name):
    prompt = prompt_of(name)
    if name == "READ_long_audio":
        prompt = changed(prompt, audio="two_seconds.wav")
    else:
        prompt = changed(prompt, start=START, duration=SECONDS)
    run = client.run(changed(prompt, steps=1))
    assert run.status == "success", run.error
    frames, _, _ = read_video(saved(host, run, VIDEO[name]))
    width = 2 * SIDE + 8 if name == "READ_compare_guidance" else SIDE
    assert frames.shape == (FRAMES, SIDE, width, 3)


def test_text_and_lora_runs_too(host, client, lora, stored_prompt):
    prompt = changed(prompt_of("READ_text_and_lora"), start=START, duration=SECONDS, lora=lora, steps=1)
    del prompt["6"]
    prompt["7"] = node("ReadTest_Prompt", file=stored_prompt)
    run = client.run(prompt)
    assert run.status == "success", run.error
    frames, _, _ = read_video(saved(host, run, "11"))
    assert frames.shape == (FRAMES, SIDE, SIDE, 3)
