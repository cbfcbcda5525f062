"""Writes the example graphs: ``workflows/*.json`` for the page, ``workflows/api/*.json`` for the API.

Each graph is described once, below. Run it after a change of the nodes: ``python scripts/make_workflows.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "workflows"
PORTRAIT, SPEECH = "portrait.png", "speech.flac"
CONTROLLED = "seed"  # the page adds a widget after it that says what becomes of it after a run
GUIDANCE = {"guidance": "checkpoint default"}
OWN = {"vae": "checkpoint's own", "transformer": "checkpoint's own"}

OUTPUTS: dict[str, list[tuple[str, str]]] = {
    "READ_LoadModels": [("models", "READ_MODELS")],
    "READ_EncodeSpeech": [("speech", "READ_SPEECH"), ("audio", "AUDIO"), ("frames", "INT")],
    "READ_EncodeReference": [
        ("reference", "READ_REFERENCE"),
        ("image", "IMAGE"),
        ("x", "INT"),
        ("y", "INT"),
        ("region_width", "INT"),
        ("region_height", "INT"),
    ],
    "READ_ANSSampler": [("latent", "LATENT")],
    "READ_Decode": [("images", "IMAGE"), ("fps", "FLOAT"), ("frames", "INT")],
    "READ_TalkingHeadToFile": [("video", "VIDEO")],
    "READ_Check": [("plot", "IMAGE"), ("report", "STRING"), ("follows", "FLOAT"), ("lag", "INT")],
    "LoadImage": [("IMAGE", "IMAGE"), ("MASK", "MASK")],
    "LoadAudio": [("AUDIO", "AUDIO")],
    "CreateVideo": [("VIDEO", "VIDEO")],
    "SaveVideo": [],
    "ImageStitch": [("IMAGE", "IMAGE")],
    "PreviewImage": [],
    "CLIPLoader": [("CLIP", "CLIP")],
    "CLIPTextEncode": [("CONDITIONING", "CONDITIONING")],
}
UPLOADS = {"LoadImage": "image", "LoadAudio": None}


@dataclass(frozen=True)
class Wire:
    """An output of a node: its id and the output's name."""

    node: int
    output: str


@dataclass
class Graph:
    """A graph in the making; ``add`` returns the node's id."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    links: list[list[Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    prompt: dict[str, Any] = field(default_factory=dict)

    def add(
        self, kind: str, place: tuple[int, int, int, int], title: str | None = None, **inputs: Any
    ) -> int:
        """A node at (x, y, width, height); a Wire is a link, anything else a widget, in the page's order."""
        number = len(self.nodes) + 1
        slots: list[dict[str, Any]] = []
        widgets: list[Any] = []
        for name, value in inputs.items():
            if isinstance(value, Wire):
                slots.append(self._link(value, number, len(slots), name))
                if name == "fps":  # a widget that became a socket keeps its value
                    slots[-1]["widget"] = {"name": name}
                    widgets.append(25)
            else:
                widgets += [value, "fixed"] if name == CONTROLLED else [value]
        if kind in UPLOADS:
            widgets.append(UPLOADS[kind])
        node = {
            "id": number,
            "type": kind,
            "pos": list(place[:2]),
            "size": list(place[2:]),
            "flags": {},
            "order": number - 1,
            "mode": 0,
            "inputs": slots,
            "outputs": [{"name": n, "type": t, "links": []} for n, t in OUTPUTS[kind]],
            "properties": {"Node name for S&R": kind},
            "widgets_values": widgets,
        }
        self.nodes.append(node | ({"title": title} if title else {}))
        values = {
            name.replace("__", "."): [str(value.node), self._slot(value)]
            if isinstance(value, Wire)
            else value
            for name, value in inputs.items()
        }
        meta = {"title": title} if title else {}
        self.prompt[str(number)] = {"class_type": kind, "inputs": values} | ({"_meta": meta} if meta else {})
        return number

    def note(self, place: tuple[int, int, int, int], text: str) -> None:
        """A note in Markdown."""
        self.nodes.append(
            {
                "id": len(self.nodes) + 1,
                "type": "MarkdownNote",
                "pos": list(place[:2]),
                "size": list(place[2:]),
                "flags": {},
                "order": len(self.nodes),
                "mode": 0,
                "inputs": [],
                "outputs": [],
                "properties": {},
                "widgets_values": [text],
                "color": "#432",
                "bgcolor": "#653",
            }
        )

    def group(self, title: str, box: tuple[int, int, int, int], color: str) -> None:
        """A frame around nodes."""
        number = len(self.groups) + 1
        self.groups.append(
            {
                "id": number,
                "title": title,
                "bounding": list(box),
                "color": color,
                "font_size": 22,
                "flags": {},
            }
        )

    def _slot(self, wire: Wire) -> int:
        return [name for name, _ in OUTPUTS[self.nodes[wire.node - 1]["type"]]].index(wire.output)

    def _link(self, wire: Wire, target: int, slot: int, name: str) -> dict[str, Any]:
        number, source = len(self.links) + 1, self._slot(wire)
        output = self.nodes[wire.node - 1]["outputs"][source]
        output["links"].append(number)
        self.links.append([number, wire.node, source, target, slot, output["type"]])
        return {"name": name, "type": output["type"], "link": number}

    def page(self) -> dict[str, Any]:
        """The graph as the page saves it."""
        return {
            "last_node_id": len(self.nodes),
            "last_link_id": len(self.links),
            "nodes": self.nodes,
            "links": self.links,
            "groups": self.groups,
            "config": {},
            "extra": {"ds": {"scale": 0.8, "offset": [60, 120]}},
            "version": 0.4,
        }


NOTE = """{purpose}

**To run it:** drop `examples/portrait.png` and `examples/speech.flac` of this pack onto *Load Image* and *Load
Audio* (or your own drawn portrait and speech), then press Run.

`read-tiny` comes with the pack and is a demonstration: it animates **drawn presenters**, not photographs.

**With a full-size checkpoint:** put its folder into `models/read`, choose it in *Load READ Models*, and leave
size, steps, guidance and window at the checkpoint's defaults (0 and *checkpoint default*)."""


def inputs(graph: Graph, lora: str = "none", strength: float = 1.0) -> tuple[Wire, Wire, Wire]:
    """Models, portrait and recording, in the first column."""
    models = graph.add(
        "READ_LoadModels",
        (0, 0, 340, 230),
        checkpoint="read-tiny",
        dtype="auto",
        attention="auto",
        **OWN,
        lora=lora,
        lora_strength=strength,
    )
    image = graph.add("LoadImage", (0, 290, 340, 330), image=PORTRAIT)
    audio = graph.add("LoadAudio", (0, 680, 340, 140), audio=SPEECH)
    graph.group("Models, portrait, speech", (-20, -60, 380, 900), "#3f5159")
    return Wire(models, "models"), Wire(image, "IMAGE"), Wire(audio, "AUDIO")


def encode(graph: Graph, models: Wire, image: Wire, audio: Wire) -> tuple[int, int]:
    """Both encoders, in the second column."""
    speech = graph.add(
        "READ_EncodeSpeech",
        (420, 0, 340, 260),
        models=models,
        audio=audio,
        start=0.0,
        duration=0.0,
        normalize_loudness=True,
        audio_scale=1.0,
        silence_gate=-100.0,
    )
    reference = graph.add(
        "READ_EncodeReference",
        (420, 320, 340, 270),
        models=models,
        image=image,
        width=0,
        height=0,
        fit="crop",
        index=0,
    )
    graph.group("Encode", (400, -60, 380, 900), "#8a8")
    return speech, reference


def sample(  # noqa: PLR0913
    graph: Graph,
    place: tuple[int, int, int, int],
    models: Wire,
    speech: int,
    reference: int,
    guidance: dict[str, Any] | None = None,
    title: str | None = None,
    **extra: Any,
) -> tuple[int, int]:
    """A sampler and, below it, its decoder."""
    sampler = graph.add(
        "READ_ANSSampler",
        place,
        title,
        models=models,
        speech=Wire(speech, "speech"),
        reference=Wire(reference, "reference"),
        **extra,
        seed=0,
        steps=0,
        **(guidance or GUIDANCE),
        window=0,
        order="clips",
    )
    x, y, width, height = place
    decoder = graph.add(
        "READ_Decode", (x, y + height + 50, width, 110), models=models, latent=Wire(sampler, "latent")
    )
    return sampler, decoder


def save(graph: Graph, x: int, images: Wire, decoder: int, speech: int, name: str, y: int = 0) -> None:
    """Frames and sound to a file."""
    video = graph.add(
        "CreateVideo",
        (x, y, 300, 100),
        images=images,
        audio=Wire(speech, "audio"),
        fps=Wire(decoder, "fps"),
    )
    graph.add(
        "SaveVideo",
        (x, y + 150, 300, 420),
        video=Wire(video, "VIDEO"),
        filename_prefix=f"video/{name}",
        format="auto",
        codec="auto",
    )


def talking_head(name: str) -> Graph:
    """Five nodes, then CreateVideo and SaveVideo."""
    graph = Graph()
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    _, decoder = sample(graph, (840, 0, 340, 300), models, speech, reference)
    graph.group("Sample and decode", (820, -60, 380, 900), "#a88")
    save(graph, 1260, Wire(decoder, "images"), decoder, speech, name)
    graph.group("Video", (1240, -60, 340, 900), "#88a")
    graph.note((0, 880, 760, 330), NOTE.format(purpose="## Portrait + speech to a talking head"))
    return graph


def long_audio(name: str) -> Graph:
    """The two-node road."""
    graph = Graph()
    models, image, audio = inputs(graph)
    graph.add(
        "READ_TalkingHeadToFile",
        (420, 0, 460, 700),
        models=models,
        image=image,
        audio=audio,
        filename_prefix=f"video/{name}",
        seed=0,
        steps=0,
        **GUIDANCE,
        window=0,
        fit="crop",
    )
    graph.group("Sample, decode and write, clip by clip", (400, -60, 500, 900), "#a88")
    purpose = (
        "## Speech of any length, straight to a file\n\nEvery clip is on the disk before the next is sampled, so "
        "an hour takes no more memory than a minute. After an interrupt what is finished stays beside the "
        "target as `*.partial.mp4` and plays."
    )
    graph.note((0, 880, 880, 380), NOTE.format(purpose=purpose))
    return graph


def text_and_lora(name: str) -> Graph:
    """With text and a LoRA, for full-size checkpoints."""
    graph = Graph()
    models, image, audio = inputs(graph, lora="my_style_lora.safetensors", strength=0.8)
    speech, reference = encode(graph, models, image, audio)
    clip = graph.add(
        "CLIPLoader", (420, 640, 340, 110), clip_name="t5xxl_fp16.safetensors", type="ltxv", device="default"
    )
    text = graph.add(
        "CLIPTextEncode",
        (840, 560, 340, 160),
        clip=Wire(clip, "CLIP"),
        text="A person speaks to the camera, soft light, calm background.",
    )
    _, decoder = sample(
        graph, (840, 0, 340, 320), models, speech, reference, conditioning=Wire(text, "CONDITIONING")
    )
    graph.group("Sample and decode", (820, -60, 380, 900), "#a88")
    save(graph, 1260, Wire(decoder, "images"), decoder, speech, name)
    graph.group("Video", (1240, -60, 340, 900), "#88a")
    purpose = (
        "## Text and a LoRA, for a full-size checkpoint\n\nNeeds a full-size READ checkpoint in `models/read`, "
        "LTX-Video's T5 (`t5xxl_fp16.safetensors`) in `models/text_encoders` and a LoRA for LTX-Video 2B in "
        "`models/loras`; choose them in the loaders. It does not run with `read-tiny`, whose prompt has "
        "another size."
    )
    graph.note((0, 880, 760, 400), NOTE.format(purpose=purpose))
    return graph


def compare(name: str) -> Graph:
    """Split against Joint."""
    graph = Graph()
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    split = {"guidance": "split", "guidance__alpha": -3.0, "guidance__beta": 5.0}
    joint = {"guidance": "joint", "guidance__alpha": 2.0}
    _, left = sample(graph, (840, 0, 340, 340), models, speech, reference, split, "Split-CFG")
    _, right = sample(graph, (1260, 0, 340, 340), models, speech, reference, joint, "Joint-CFG")
    graph.group("Split-CFG", (820, -60, 380, 900), "#a88")
    graph.group("Joint-CFG", (1240, -60, 380, 900), "#a88")
    both = graph.add(
        "ImageStitch",
        (1680, 0, 300, 150),
        image1=Wire(left, "images"),
        image2=Wire(right, "images"),
        direction="right",
        match_image_size=True,
        spacing_width=8,
        spacing_color="white",
    )
    save(graph, 1680, Wire(both, "IMAGE"), left, speech, name, y=210)
    graph.group("Side by side", (1660, -60, 340, 900), "#88a")
    purpose = (
        "## Split-CFG beside Joint-CFG\n\nThe same seed and speech under both guidances: Split-CFG on the left, "
        "with a scale for the reference (alpha) and one for the speech (beta), Joint-CFG on the right."
    )
    graph.note((0, 880, 760, 380), NOTE.format(purpose=purpose))
    return graph


def check(name: str) -> Graph:
    """The first graph, measured."""
    graph = Graph()
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    _, decoder = sample(graph, (840, 0, 340, 300), models, speech, reference)
    graph.group("Sample and decode", (820, -60, 380, 900), "#a88")
    save(graph, 1260, Wire(decoder, "images"), decoder, speech, name)
    graph.group("Video", (1240, -60, 340, 900), "#88a")
    graph.add(
        "READ_Check",
        (1640, 0, 520, 480),
        images=Wire(decoder, "images"),
        audio=Wire(speech, "audio"),
        reference=Wire(reference, "image"),
        window=16,
    )
    graph.group("Check", (1620, -60, 560, 900), "#aa8")
    purpose = (
        "## Does the mouth follow the sound?\n\n*READ Check* plots the measured opening of the mouth over the "
        "loudness and gives correlation, lag, the jumps where clips meet and the drift of face and colours."
    )
    graph.note((0, 880, 760, 380), NOTE.format(purpose=purpose))
    return graph


WORKFLOWS = {
    "READ_talking_head": talking_head,
    "READ_long_audio": long_audio,
    "READ_text_and_lora": text_and_lora,
    "READ_compare_guidance": compare,
    "READ_check": check,
}


def main() -> None:
    """Write all graphs."""
    (FOLDER / "api").mkdir(parents=True, exist_ok=True)
    for name, build in WORKFLOWS.items():
        graph = build(name)
        for path, content in (
            (FOLDER / f"{name}.json", graph.page()),
            (FOLDER / "api" / f"{name}.json", graph.prompt),
        ):
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
