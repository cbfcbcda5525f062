"""Write the example graphs: ``workflows/*.json`` for the page, ``workflows/api/*.json`` for the API.

Each graph is described once in this file, from the nodes in ``graph_nodes.py``. Scales and window are the
bundled checkpoint's. After a change of the nodes or the checkpoint run ``python scripts/make_workflows.py``.
With ``--check`` it writes nothing and fails if a file differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graph_nodes import (
    CHECKPOINT,
    FACE,
    FILE,
    FINISHING,
    GUIDANCE,
    SIZE,
    SPEECH_WIDGETS,
    create,
    decode,
    encode,
    encode_reference,
    encode_speech,
    inputs,
    paste,
    restore,
    sample,
    save,
    side_by_side,
)
from graphs import Graph, Wire

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "workflows"
DEFAULTS = ROOT / "read_core" / "checkpoints" / CHECKPOINT / "scheduler" / "scheduler_config.json"
JOINT_ALPHA, SPLIT_SCALES = 2.5, (-1.0, 3.0)  # read-tiny's best scales for the kind that is not its default
T5 = {
    "name": "t5xxl_fp16.safetensors",
    "url": "https://huggingface.co/comfyanonymous/flux_text_encoders/resolve/main/t5xxl_fp16.safetensors",
    "directory": "text_encoders",
}
NOTE = """{purpose}

{start}

# `read-tiny` comes with the pack. It is a demonstration: a small model that animates **photographs of \
one face** and drawn presenters. {settings} There is no full-size checkpoint yet. If you train one, put \
its folder into `models/read`, press **R** and choose it in *Load READ Models*. Every node has a help page: \
select it and press **i** above it."""
OWN = "For your own, connect *Load Image* and *Load Audio* in place of *READ Example Inputs*."
START = f"# Press **Run**: portrait and speech come with the pack. {OWN}"
AS_TRAINED = (
    "Leave size, steps and window at 0 and guidance at *checkpoint default*: its own values are used."
)


def note(purpose: str = "", settings: str = AS_TRAINED, start: str = START) -> str:
    """The note of a graph: its purpose, how to start, and what to set."""
    return NOTE.format(purpose=purpose, settings=settings, start=start).lstrip()


def talking_head(name: str) -> Graph:
    """Eight nodes, then CreateVideo and SaveVideo."""
    graph = Graph(title="Read me: portrait + speech = talking head", text=note())
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    graph.group(None)
    sampler = sample(graph, models, speech, reference)
    graph.group("Decode, restore detail, paste back into the picture, add the sound")
    decoder = decode(graph, models, sampler, speech)
    graph.column()
    restored = restore(graph, models, decoder, reference)
    graph.column()
    pasted = paste(graph, restored, image, reference)
    graph.column()
    video = create(graph, Wire(pasted, "images"), speech)
    graph.group(None)
    save(graph, video, name, shape=1.25)
    return graph


def long_audio(name: str) -> Graph:
    """Three nodes: load, examples, talking head to file."""
    purpose = (
        "# Every clip is on the disk before the next is sampled. So an hour takes no more memory than a "
        "minute. After an interrupt the finished part stays as `*.partial.mp4` and can be played."
    )
    graph = Graph(title="Read me: speech of any length", text=note(purpose))
    models, image, audio = inputs(graph, top=0)
    graph.group(None)
    graph.add(
        "READ_TalkingHeadToFile",
        shows=1.3,
        models=models,
        image=image,
        audio=audio,
        filename_prefix=f"video/{name}",
        **SPEECH_WIDGETS,
        **SIZE,
        seed=0,
        steps=0,
        **GUIDANCE,
        window=0,
        **FINISHING,
        **FACE,
        **FILE,
        blinks="auto",
        head_motion="auto",
    )
    return graph


def text_and_lora(name: str) -> Graph:
    """With text and a LoRA, for full-size checkpoints."""
    purpose = (
        "# **This graph does not run with `read-tiny`**, which accepts no text. It is for a full-size "
        "checkpoint that you have trained. Do not download T5 for `read-tiny`."
    )
    start = (
        "# Put your LoRA for LTX-Video 2B into `models/loras` and LTX-Video's T5 (`t5xxl_fp16.safetensors`) "
        "into `models/text_encoders`. Choose checkpoint and LoRA in the loader. Write what the video shows "
        f"into *CLIP Text Encode*. Portrait and speech come with the pack. {OWN}"
    )
    graph = Graph(title="Read me: text and a LoRA", text=note(purpose, start=start))
    models, image, audio = inputs(graph, title="Load READ Models · your LoRA")
    clip = graph.add(
        "CLIPLoader", properties={"models": [T5]}, clip_name=T5["name"], type="ltxv", device="default"
    )
    speech = encode_speech(graph, models, audio)
    text = graph.add(
        "CLIPTextEncode",
        clip=Wire(clip, "CLIP"),
        text="A person speaks to the camera, soft light, calm background.",
    )
    reference = encode_reference(graph, models, image)
    graph.group(None)
    sampler = sample(graph, models, speech, reference, conditioning=Wire(text, "CONDITIONING"))
    graph.group("Decode, add the sound")
    decoder = decode(graph, models, sampler, speech)
    graph.column()
    video = create(graph, Wire(decoder, "images"), speech)
    graph.group(None)
    save(graph, video, name)
    return graph


def compare(name: str) -> Graph:
    """Split-CFG and Joint-CFG."""
    purpose = (
        "# The same seed and speech with both kinds of guidance. Left: **Split-CFG**, with a scale for the "
        "reference (alpha) and one for the speech (beta). Right: **Joint-CFG**, with one scale for both."
    )
    settings = (
        "Leave size, steps and window at 0. The scales here are for `read-tiny`; for a full-size checkpoint "
        "set *split* to the paper's alpha 2 and beta 6, and *joint* to the alpha that you want to compare."
    )
    graph = Graph(title="Read me: Split-CFG and Joint-CFG", text=note(purpose, settings))
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    own = defaults()["guidance"]
    scales = (own["alpha"], own["beta"]) if own["kind"] == "split" else SPLIT_SCALES
    alpha = own["alpha"] if own["kind"] == "joint" else JOINT_ALPHA
    split = {"guidance": "split", "guidance__alpha": scales[0], "guidance__beta": scales[1]}
    joint = {"guidance": "joint", "guidance__alpha": alpha}
    graph.group(None)
    split_sampler = sample(graph, models, speech, reference, split, "READ ANS Sampler · split")
    graph.column()
    left = decode(graph, models, split_sampler, speech)
    graph.column_below(split_sampler)
    joint_sampler = sample(graph, models, speech, reference, joint, "READ ANS Sampler · joint")
    graph.column_below(left, level=joint_sampler)
    right = decode(graph, models, joint_sampler, speech)
    side_by_side(graph, left, right, speech, name, shape=0.5)
    return graph


def photo_compare(name: str) -> Graph:
    """With and without the portrait's detail, both pasted back."""
    purpose = (
        "# The same frames in the whole picture: on the **left** after *READ Restore Detail*, on the "
        "**right** as the decoder made them. Blinks and head motion are off, so both sides differ in the "
        "detail alone. *READ Encode Reference* finds the face, turns it upright and "
        "crops it. Its preview shows the crop. Its *face* widgets correct it."
    )
    graph = Graph(title="Read me: the portrait's detail", text=note(purpose))
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio, "face")
    graph.group(None)
    sampler = sample(graph, models, speech, reference)
    graph.group("Decode, restore detail")
    decoder = decode(graph, models, sampler, speech)
    graph.column()
    restored = restore(graph, models, decoder, reference, motion="off")
    graph.group("Into the picture", width=270)
    left = paste(graph, restored, image, reference, 960, "READ Paste Back · with detail")
    right = paste(graph, decoder, image, reference, 960, "READ Paste Back · without")
    side_by_side(graph, left, right, speech, name, shape=0.62)
    return graph


def check(name: str) -> Graph:
    """The first graph without detail and paste-back, measured."""
    purpose = (
        "# *READ Check* plots mouth opening and loudness. It measures their correlation and lag, the jumps "
        "where clips meet, and the drift of face and colors. It reads the decoder's frames: blinks, head "
        "motion and the portrait's detail come later, in *READ Restore Detail*."
    )
    graph = Graph(title="Read me: does the mouth follow the sound?", text=note(purpose))
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    graph.group(None)
    sampler = sample(graph, models, speech, reference)
    graph.group(None)
    decoder = decode(graph, models, sampler, speech)
    graph.group("Add the sound; check")
    video = create(graph, Wire(decoder, "images"), speech)
    graph.add(
        "READ_Check",
        images=Wire(decoder, "images"),
        audio=Wire(speech, "audio"),
        reference=Wire(reference, "image"),
        models=models,
        window=0,
    )
    graph.group(None)
    save(graph, video, name)
    return graph


WORKFLOWS = {
    "READ_talking_head": talking_head,
    "READ_long_audio": long_audio,
    "READ_text_and_lora": text_and_lora,
    "READ_compare_guidance": compare,
    "READ_check": check,
    "READ_photo_compare": photo_compare,
}


def defaults() -> dict[str, Any]:
    """Sampling defaults of the bundled checkpoint."""
    found: dict[str, Any] = json.loads(DEFAULTS.read_text(encoding="utf-8"))
    return found


def files() -> Iterator[tuple[Path, str]]:
    """Every file with its contents."""
    for name, build in WORKFLOWS.items():
        graph = build(name)
        for path, content in (
            (FOLDER / f"{name}.json", graph.page()),
            (FOLDER / "api" / f"{name}.json", graph.prompt),
        ):
            yield path, json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write all graphs, or with ``--check`` compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check: bool = parser.parse_args(arguments).check
    if check:
        stale = [str(path) for path, text in files() if path.read_text(encoding="utf-8") != text]
        sys.stderr.writelines(f"{path} is not what scripts/make_workflows.py makes\n" for path in stale)
        return 1 if stale else 0
    (FOLDER / "api").mkdir(parents=True, exist_ok=True)
    for path, text in files():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
