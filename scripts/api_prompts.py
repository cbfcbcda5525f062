"""Read API prompts, the saved form of ComfyUI's graphs that it can queue, and change their inputs."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).resolve().parents[1] / "assets"
UPLOADED = {"LoadImage": "image", "LoadAudio": "audio"}
SEEDS = ("seed", "blink_seed")
EXAMPLES = "READ_ExampleInputs"  # its outputs replace what those two load
Prompt = dict[str, Any]


def chosen(prompt: Prompt, portrait: Path | None, speech: Path | None) -> dict[str, Path]:
    """Files to upload by class of the loading node: the given ones, else the needed examples."""
    given = {"LoadImage": portrait, "LoadAudio": speech}
    examples = {"LoadImage": ASSETS / "portrait.png", "LoadAudio": ASSETS / "speech.flac"}
    loads = {node["class_type"] for node in prompt.values()}
    return {kind: path or examples[kind] for kind, path in given.items() if path is not None or kind in loads}


def filled(prompt: Prompt, files: dict[str, str], seed: int | None = None) -> Prompt:
    """A copy of a prompt with changed inputs.

    Args:
        prompt: the prompt.
        files: names of files in the host's input folder, by class of the loading node.
        seed: of all inputs in ``SEEDS``, so that sampling, blinks and head motion follow from one number, as
            in ``read-core generate``; None: they stay.
    """
    prompt = json.loads(json.dumps(prompt))
    for number in [number for number, node in prompt.items() if node["class_type"] == EXAMPLES]:
        replace_examples(prompt, number, files)
    for node in prompt.values():
        kind, inputs = node["class_type"], node["inputs"]
        if kind in files:
            inputs[UPLOADED[kind]] = files[kind]
        if seed is not None:
            inputs.update({name: seed for name in SEEDS if name in inputs})
    return prompt


def replace_examples(prompt: Prompt, number: str, files: dict[str, str]) -> None:
    """Load files in place of the outputs of a node of examples; remove that node if it is no longer used."""
    used = [node["inputs"] for node in prompt.values()]
    for slot, kind in enumerate(UPLOADED):
        if kind in files:
            new = next(free for free in map(str, count(1)) if free not in prompt)
            prompt[new] = {"class_type": kind, "inputs": {UPLOADED[kind]: files[kind]}}
            for inputs in used:
                inputs.update({name: [new, 0] for name, link in inputs.items() if link == [number, slot]})
    if not any(isinstance(link, list) and link[0] == number for inputs in used for link in inputs.values()):
        del prompt[number]


def read_prompt(path: Path) -> Prompt:
    """Read an API prompt from a file.

    Raises:
        ValueError: it is not an API prompt; the text says what it is and what to use.
    """
    try:
        prompt = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    if isinstance(prompt, dict) and "nodes" in prompt:
        raise ValueError(f"{path} is a graph for the page; use an API prompt, for example from workflows/api")
    if not isinstance(prompt, dict) or not all(
        isinstance(node, dict) and {"class_type", "inputs"} <= set(node) for node in prompt.values()
    ):
        raise ValueError(f"{path} is not an API prompt; expected nodes with class_type and inputs")
    return prompt
