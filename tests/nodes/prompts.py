"""API prompts for the tests: the shipped ones made short, and small ones of their own."""

from __future__ import annotations

import json
from typing import Any

from .host import ROOT

API = ROOT / "workflows" / "api"
BUNDLED = ROOT / "read_core" / "checkpoints" / "read-tiny"
QUICK = {"steps": 1, "window": 3, "guidance": "none"}
Prompt = dict[str, dict[str, Any]]


def shipped(name: str, **inputs: Any) -> Prompt:
    """A prompt of ``workflows/api``; ``inputs`` replace those of this name wherever they stand."""
    prompt = json.loads((API / f"{name}.json").read_text(encoding="utf-8"))
    return changed(prompt, **inputs)


def changed(prompt: Prompt, **inputs: Any) -> Prompt:
    """A copy in which widgets of these names have other values."""
    prompt = json.loads(json.dumps(prompt))
    for name, value in inputs.items():
        holding = [node["inputs"] for node in prompt.values() if name in node["inputs"]]
        holders = [held for held in holding if not isinstance(held[name], list)]
        assert holders, f"no node has a widget {name!r}"
        for holder in holders:
            holder[name] = value
    return prompt


def number_of(prompt: Prompt, class_type: str) -> str:
    """The id of the only node of a kind."""
    (number,) = [number for number, node in prompt.items() if node["class_type"] == class_type]
    return number


def own_defaults() -> dict[str, Any]:
    """The sampling defaults of read-tiny."""
    file = BUNDLED / "scheduler" / "scheduler_config.json"
    return json.loads(file.read_text(encoding="utf-8"))


def own_scales(kind: str) -> dict[str, float]:
    """read-tiny's scales for guidance of a kind."""
    own = own_defaults()
    return {name: value for name, value in own.get(kind, own["guidance"]).items() if name != "kind"}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def load(**inputs: Any) -> dict[str, Any]:
    """Load READ Models, everything at its default."""
    defaults = {
        "checkpoint": "read-tiny",
        "dtype": "auto",
        "attention": "auto",
        "vae": "checkpoint's own",
        "transformer": "checkpoint's own",
        "lora": "none",
        "lora_strength": 1.0,
    }
    return node("READ_LoadModels", **defaults | inputs)


def quick(**inputs: Any) -> Prompt:
    """Models "1", portrait "2", recording "3", speech "4", reference "5", sampler "6", latents to disk "7".

    Half a second of speech, two latents per clip, one step.
    """
    prompt = {
        "1": load(),
        "2": node("LoadImage", image="portrait.png"),
        "3": node("LoadAudio", audio="speech.flac"),
        "4": node(
            "READ_EncodeSpeech",
            models=["1", 0],
            audio=["3", 0],
            start=1.0,
            duration=0.5,
            normalize_loudness=True,
            audio_scale=1.0,
            silence_gate=-100.0,
        ),
        "5": node(
            "READ_EncodeReference", models=["1", 0], image=["2", 0], width=0, height=0, fit="crop", index=0
        ),
        "6": node(
            "READ_ANSSampler",
            models=["1", 0],
            speech=["4", 0],
            reference=["5", 0],
            seed=0,
            order="clips",
            **QUICK,
        ),
        "7": node("ReadTest_Dump", value=["6", 0]),
    }
    return changed(prompt, **inputs)


def quick_file(**inputs: Any) -> Prompt:
    """Models "1", portrait "2", recording "3", READ Talking Head to File "4"."""
    prompt = {
        "1": load(),
        "2": node("LoadImage", image="portrait.png"),
        "3": node("LoadAudio", audio="short.wav"),
        "4": node(
            "READ_TalkingHeadToFile",
            models=["1", 0],
            image=["2", 0],
            audio=["3", 0],
            filename_prefix="video/quick",
            start=0.0,
            duration=0.0,
            normalize_loudness=True,
            audio_scale=1.0,
            silence_gate=-100.0,
            width=0,
            height=0,
            fit="crop",
            seed=0,
            **QUICK,
        ),
    }
    return changed(prompt, **inputs)
