"""Write ``subgraphs/READ Talking Head.json``: the nodes from portrait and speech to pictures as one node.

ComfyUI lists it among the subgraph blueprints with the file's name. After a change of the nodes run ``python
scripts/make_blueprint.py``. With ``--check`` it writes nothing and fails if the file differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from graphs import COLUMN_GAP, Graph, Wire
from schemas import ROOT, Schema, read_schemas

NAME = "READ Talking Head"
PATH = ROOT / "subgraphs" / f"{NAME}.json"
DESCRIPTION = (
    "One portrait and one recording to the pictures of a talking head (lip sync, avatar, audio to video): "
    "Load READ Models, both encoders, READ ANS Sampler, READ Temporal VAE Decode, READ Restore Detail and "
    "READ Paste Back."
)
INPUT, OUTPUT = -10, -20  # the page's numbers of a subgraph's own ends
WIDTH, SLOT = 160, 20  # pixels of these ends, and of a line in them
NODE_WIDTH = 340  # pixels of the node that stands for all


@dataclass
class Blueprint:
    """A subgraph: its nodes, and the inputs and outputs that it shows."""

    graph: Graph = field(default_factory=Graph)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    schemas: dict[str, Schema] = field(default_factory=lambda: {s.node_id: s for s in read_schemas()})

    def add(self, kind: str, **wires: Any) -> int:
        """A node with these wires as inputs, every widget at its default."""
        number, widgets = self.graph.add(kind, **wires), self._widgets(kind)
        node = self.graph.nodes[number - 1]
        linked = {slot["name"]: slot["link"] for slot in node["inputs"]}
        node["inputs"] = self._slots(kind)
        for place, slot in enumerate(node["inputs"]):
            if slot["name"] in linked:
                slot["link"] = linked[slot["name"]]
                self.graph.links[slot["link"] - 1][4] = place
        node["widgets_values"] = [value for values in widgets.values() for value in values]
        return number

    def take(self, node: int, *names: str) -> None:
        """Expose inputs of a node as the subgraph's inputs; widgets stay widgets."""
        slots = self.graph.nodes[node - 1]["inputs"]
        places = {slot["name"]: place for place, slot in enumerate(slots)}
        for name in names:
            slot = slots[places[name]]
            slot["link"] = self._link(INPUT, len(self.inputs), node, places[name], slot["type"])
            shown = {key: slot[key] for key in slot if key != "link"}
            self.inputs.append(shown | {"linkIds": [slot["link"]]})

    def share(self, shown: str, node: int, name: str) -> None:
        """Connect an input of the subgraph also to another node."""
        index = next(index for index, slot in enumerate(self.inputs) if slot["name"] == shown)
        slots = self.graph.nodes[node - 1]["inputs"]
        place = next(place for place, slot in enumerate(slots) if slot["name"] == name)
        link = slots[place]["link"] = self._link(INPUT, index, node, place, slots[place]["type"])
        self.inputs[index]["linkIds"].append(link)

    def give(self, node: int, *names: str) -> None:
        """Expose outputs of a node as the subgraph's outputs."""
        shown = self.graph.nodes[node - 1]["outputs"]
        for name in names:
            index = next(index for index, output in enumerate(shown) if output["name"] == name)
            link = self._link(node, index, OUTPUT, len(self.outputs), shown[index]["type"])
            shown[index]["links"].append(link)
            self.outputs.append({"name": name, "type": shown[index]["type"], "linkIds": [link]})

    def file(self) -> dict[str, Any]:
        """A graph with the subgraph's node and definition, in the page's format."""
        page, number = self.graph.page(), len(self.graph.nodes) + 1
        behind = {end["id"]: {"parentId": end["parentId"]} for end in page["extra"]["linkExtensions"]}
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        links = [dict(zip(keys, link, strict=True)) | behind.get(link[0], {}) for link in page["links"]]
        right = self.graph.columns[-1].right + COLUMN_GAP
        subgraph = {
            "id": _uuid(NAME),
            "version": 1,
            "state": {
                "lastGroupId": 0,
                "lastNodeId": number,
                "lastLinkId": len(links) + len(self.links),
                "lastRerouteId": len(page["extra"]["reroutes"]),
            },
            "revision": 0,
            "config": {},
            "name": NAME,
            "category": "READ",
            "description": DESCRIPTION,
            "inputNode": {"id": INPUT, "bounding": _box(-WIDTH - COLUMN_GAP, len(self.inputs))},
            "outputNode": {"id": OUTPUT, "bounding": _box(right, len(self.outputs))},
            "inputs": [_end("input", slot) for slot in self.inputs],
            "outputs": [_end("output", slot) for slot in self.outputs],
            "widgets": [],
            "nodes": self.graph.nodes,
            "groups": [],
            "links": [*links, *self.links],
            "reroutes": page["extra"]["reroutes"],
            "extra": {},
        }
        return {
            "revision": 0,
            "last_node_id": number,
            "last_link_id": 0,
            "nodes": [self._node(number)],
            "links": [],
            "version": 0.4,
            "definitions": {"subgraphs": [subgraph]},
            "extra": {"BlueprintDescription": DESCRIPTION},
        }

    def _slots(self, kind: str) -> list[dict[str, Any]]:
        """Inputs of a kind of node in the page's order, which links use as index: widgets come last."""
        inputs, widgets = self.schemas[kind].inputs, self._widgets(kind)
        return [
            {"name": found.id, "type": found.type, "link": None}
            | ({"widget": {"name": found.id}} if found.id in widgets else {})
            for found in sorted(inputs, key=lambda found: found.id in widgets)
        ]

    def _widgets(self, kind: str) -> dict[str, list[Any]]:
        """Initial values of the widgets of a kind of node; the page adds one after a seed."""
        return {
            found.id: [found.default, "fixed"]
            if found.options.get("control_after_generate")
            else [found.default]
            for found in self.schemas[kind].inputs
            if found.is_widget
        }

    def _link(self, source: int, slot: int, target: int, place: int, kind: str) -> int:
        """A link to or from one of the ends, numbered after the links between nodes."""
        number = len(self.graph.links) + len(self.links) + 1
        ends = {"origin_id": source, "origin_slot": slot, "target_id": target, "target_slot": place}
        self.links.append({"id": number, **ends, "type": kind})
        return number

    def _node(self, number: int) -> dict[str, Any]:
        """The node that represents the subgraph."""
        return {
            "id": number,
            "type": _uuid(NAME),
            "pos": [0, 0],
            "size": [NODE_WIDTH, 300],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [_shown(slot) | {"link": None} for slot in self.inputs],
            "outputs": [_shown(slot) | {"links": []} for slot in self.outputs],
            "title": NAME,
            "properties": {},
            "widgets_values": [],
        }


def talking_head() -> Blueprint:
    """The nodes of READ_talking_head up to the pictures."""
    made = Blueprint()
    made.graph.group("1 · Models")
    models = made.add("READ_LoadModels")
    own = {"models": Wire(models, "models")}
    made.graph.group("2 · Encode")
    speech = made.add("READ_EncodeSpeech", **own)
    reference = made.add("READ_EncodeReference", **own)
    made.graph.group("3 · Sample")
    heard, seen = Wire(speech, "speech"), Wire(reference, "reference")
    sampler = made.add("READ_ANSSampler", **own, speech=heard, reference=seen)
    made.graph.group("4 · Decode")
    frames = Wire(speech, "frames")
    decoder = made.add("READ_Decode", **own, latent=Wire(sampler, "latent"), frames=frames)
    made.graph.group("5 · Detail, paste back")
    decoded, portrait = Wire(decoder, "images"), Wire(reference, "reference")
    restored = made.add("READ_RestoreDetail", **own, images=decoded, reference=portrait)
    pasted = made.add("READ_PasteBack", images=Wire(restored, "images"), reference=portrait)
    made.take(reference, "image")
    made.share("image", pasted, "image")
    made.take(speech, "audio")
    made.take(models, "checkpoint")
    made.take(reference, "fit")
    made.take(speech, "start", "duration", "audio_scale")
    made.take(sampler, "seed", "steps")
    made.give(pasted, "images")
    made.give(speech, "audio")
    made.give(decoder, "fps")
    made.give(models, "models")
    made.give(reference, "reference")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Write the blueprint, or with ``--check`` compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check: bool = parser.parse_args(arguments).check
    text = json.dumps(talking_head().file(), indent=2, ensure_ascii=False) + "\n"
    if check:
        stale = not PATH.is_file() or PATH.read_text(encoding="utf-8") != text
        if stale:
            sys.stderr.write(f"{PATH} is not what scripts/make_blueprint.py makes\n")
        return int(stale)
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(text, encoding="utf-8")
    return 0


def _uuid(name: str) -> str:
    """A UUID derived from a name: the page needs one for everything."""
    return str(uuid5(NAMESPACE_DNS, f"read-talking-head/{name}"))


def _shown(slot: dict[str, Any]) -> dict[str, Any]:
    """An input or output of the subgraph, in the format of its node."""
    return {key: slot[key] for key in slot if key != "linkIds"}


def _end(side: str, slot: dict[str, Any]) -> dict[str, Any]:
    """The same, in the format of the subgraph's definition."""
    return {"id": _uuid(f"{NAME}/{side}/{slot['name']}")} | {k: slot[k] for k in slot if k != "widget"}


def _box(left: int, lines: int) -> list[int]:
    return [left, 0, WIDTH, SLOT * (lines + 2)]


if __name__ == "__main__":
    sys.exit(main())
