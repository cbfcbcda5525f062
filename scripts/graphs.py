"""Building a ComfyUI graph once, for the page and for the API, with its layout worked out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CONTROLLED = "seed"  # the page adds a widget after it that says what becomes of it after a run
COLUMN = 340  # pixels: width of a column
NODE_GAP = 54  # between nodes: the lower one's title and the badge of its pack lie in it
COLUMN_GAP = 80  # between columns, where the links run
EDGE = 22  # from a group's edge to its nodes
HEAD = 92  # above a group's first node: the group's title, the badge, the node's title
HEAD_OF_NOTE = 30 - HEAD  # the note's title is level with the groups' upper edge
NOTE = 430  # height of the note
VIEW = (1740, 900)  # pixels of a page that the graph may fill when it opens
COLOR = "#3f789e"

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
    "CLIPLoader": [("CLIP", "CLIP")],
    "CLIPTextEncode": [("CONDITIONING", "CONDITIONING")],
}
# Height of a node, and the room to leave for it: a node that says something grows, and the page's newer
# drawing makes all of them higher. Nodes that show a picture or video have room for it.
HEIGHTS = {
    "READ_LoadModels": (202, 316),
    "READ_EncodeSpeech": (194, 304),
    "READ_EncodeReference": (230, 272),
    "READ_ANSSampler": (238, 320),
    "READ_Decode": (66, 100),
    "READ_TalkingHeadToFile": (700, 740),
    "READ_Check": (460, 500),
    "LoadImage": (326, 328),
    "LoadAudio": (136, 140),
    "CreateVideo": (102, 112),
    "SaveVideo": (440, 480),
    "ImageStitch": (150, 154),
    "CLIPLoader": (106, 140),
    "CLIPTextEncode": (150, 160),
}
SCALE_HEIGHT = 26  # of a widget that the choice of guidance brings
# Widgets that only the page has, after the node's own: the button or player of an upload.
PAGE_ONLY: dict[str, Any] = {"LoadImage": "image", "LoadAudio": None}


@dataclass(frozen=True)
class Wire:
    """An output of a node: its id and the output's name."""

    node: int
    output: str


@dataclass
class Column:
    """Nodes below each other in a group."""

    title: str
    left: int
    width: int
    bottom: int = 0

    def place(self, room: int) -> list[int]:
        """The position of the next node, which needs that height."""
        top = self.bottom + NODE_GAP if self.bottom else 0
        self.bottom = top + room
        return [self.left, top]

    def group(self, number: int) -> dict[str, Any]:
        """The frame around the nodes, as the page saves it."""
        box = [self.left - EDGE, -HEAD, self.width + 2 * EDGE, self.bottom + HEAD + EDGE]
        return {
            "id": number,
            "title": self.title,
            "bounding": box,
            "color": COLOR,
            "font_size": 24,
            "flags": {},
        }


@dataclass
class Graph:
    """A graph in the making, column by column from left to right; ``add`` returns the node's id."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    links: list[list[Any]] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    prompt: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def column(self, title: str, width: int = COLUMN) -> None:
        """Begin a column; the following nodes go into it."""
        last = self.columns[-1] if self.columns else None
        left = 0 if last is None else last.left + last.width + COLUMN_GAP
        self.columns.append(Column(title, left, width))

    def add(
        self,
        kind: str,
        title: str | None = None,
        properties: dict[str, Any] | None = None,
        **inputs: Any,
    ) -> int:
        """A node. A Wire is a link, anything else a widget, in the page's order; ``a__b`` is the key a.b."""
        number, column = len(self.nodes) + 1, self.columns[-1]
        scales = SCALE_HEIGHT * sum("__" in name for name in inputs)
        height, room = (value + scales for value in HEIGHTS[kind])
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
        if kind in PAGE_ONLY:
            widgets.append(PAGE_ONLY[kind])
        node = _node(number, kind, column.place(room), [column.width, height], widgets)
        node["inputs"] = slots
        node["outputs"] = [{"name": n, "type": t, "links": []} for n, t in OUTPUTS[kind]]
        node["properties"] = {"Node name for S&R": kind} | (properties or {})
        self.nodes.append(node | ({"title": title} if title else {}))
        values = {
            name.replace("__", "."): [str(value.node), self._slot(value)]
            if isinstance(value, Wire)
            else value
            for name, value in inputs.items()
        }
        meta = {"_meta": {"title": title}} if title else {}
        self.prompt[str(number)] = {"class_type": kind, "inputs": values} | meta
        return number

    def page(self) -> dict[str, Any]:
        """The graph as the page saves it, the note to the left of all."""
        number, width, last = len(self.nodes) + 1, 400, self.columns[-1]
        left, height = -EDGE - COLUMN_GAP // 2 - width, max(column.bottom for column in self.columns)
        note = _node(number, "MarkdownNote", [left, HEAD_OF_NOTE], [width, NOTE], [])
        note |= {"widgets_values": [self.text], "title": "Read me", "color": "#222", "bgcolor": "#000"}
        extent = last.left + last.width + EDGE - left, height + EDGE + HEAD
        scale = round(min(1.0, VIEW[0] / extent[0], VIEW[1] / extent[1]), 3)
        return {
            "last_node_id": number,
            "last_link_id": len(self.links),
            "nodes": [*self.nodes, note],
            "links": self.links,
            "groups": [column.group(index) for index, column in enumerate(self.columns, 1)],
            "config": {},
            "extra": {"ds": {"scale": scale, "offset": [100 / scale - left, 110 / scale + HEAD]}},
            "version": 0.4,
        }

    def _slot(self, wire: Wire) -> int:
        return [name for name, _ in OUTPUTS[self.nodes[wire.node - 1]["type"]]].index(wire.output)

    def _link(self, wire: Wire, target: int, slot: int, name: str) -> dict[str, Any]:
        number, source = len(self.links) + 1, self._slot(wire)
        output = self.nodes[wire.node - 1]["outputs"][source]
        output["links"].append(number)
        self.links.append([number, wire.node, source, target, slot, output["type"]])
        return {"name": name, "type": output["type"], "link": number}


def _node(number: int, kind: str, pos: list[int], size: list[int], widgets: list[Any]) -> dict[str, Any]:
    """What every node has in a page's file."""
    return {
        "id": number,
        "type": kind,
        "pos": pos,
        "size": size,
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": widgets,
    }
