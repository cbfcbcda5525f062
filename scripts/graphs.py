"""Building a ComfyUI graph once, for the page and for the API, with its layout worked out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CONTROLLED = "seed"  # the page adds a widget after it that says what becomes of it after a run
COLUMN = 340  # pixels: width of a column
NODE_GAP = 54  # between nodes: the lower one's title and the badge of its pack lie in it
COLUMN_GAP = 100  # between columns, where the links run
EDGE = 22  # from a group's edge to its nodes
HEAD = 92  # above a group's first node: the group's title, the badge, the node's title
LANE = 24  # height of a lane above the nodes, for links to columns further on
CORNER = 28  # from a column to where a link enters or leaves its lane
TITLE = 30  # height of a node's title
NOTE = 430  # height of the note
VIEW = (1740, 900)  # pixels of a page that the graph may fill when it opens
COLOR = "#3f789e"


@dataclass(frozen=True)
class Kind:
    """What the page shows of a kind of node.

    Attributes:
        title: its name there.
        outputs: name and type of each.
        height: in pixels.
        room: to leave for it: a node that says something grows, and the page's newer drawing makes all of
            them higher. Nodes that show a picture or video have room for it.
    """

    title: str
    outputs: list[tuple[str, str]]
    height: int
    room: int


# A test compares titles and outputs with what the nodes say themselves.
KINDS = {
    "READ_LoadModels": Kind("Load READ Models", [("models", "READ_MODELS"), ("vae", "VAE")], 222, 340),
    "READ_EncodeSpeech": Kind(
        "Whisper + SpeechAE Encode",
        [("speech", "READ_SPEECH"), ("audio", "AUDIO"), ("frames", "INT")],
        194,
        304,
    ),
    "READ_EncodeReference": Kind(
        "Encode Reference",
        [
            ("reference", "READ_REFERENCE"),
            ("image", "IMAGE"),
            ("x", "INT"),
            ("y", "INT"),
            ("region_width", "INT"),
            ("region_height", "INT"),
        ],
        560,
        620,
    ),
    "READ_ANSSampler": Kind("ANS Sampler", [("latent", "LATENT")], 238, 320),
    "READ_Decode": Kind(
        "Temporal VAE Decode", [("images", "IMAGE"), ("fps", "FLOAT"), ("frames", "INT")], 66, 100
    ),
    "READ_RestoreDetail": Kind("READ Restore Detail", [("images", "IMAGE")], 106, 150),
    "READ_PasteBack": Kind("READ Paste Back", [("images", "IMAGE"), ("mask", "MASK")], 130, 190),
    "READ_TalkingHeadToFile": Kind("READ Talking Head to File", [("video", "VIDEO")], 1070, 1200),
    "READ_Check": Kind(
        "READ Check",
        [("plot", "IMAGE"), ("report", "STRING"), ("follows", "FLOAT"), ("lag", "INT")],
        460,
        500,
    ),
    "LoadImage": Kind("Load Image", [("IMAGE", "IMAGE"), ("MASK", "MASK")], 326, 472),
    "LoadAudio": Kind("Load Audio", [("AUDIO", "AUDIO")], 136, 140),
    "CreateVideo": Kind("Create Video", [("VIDEO", "VIDEO")], 102, 112),
    "SaveVideo": Kind("Save Video", [], 440, 480),
    "ImageStitch": Kind("Stitch Images", [("IMAGE", "IMAGE")], 150, 154),
    "CLIPLoader": Kind("Load CLIP", [("CLIP", "CLIP")], 106, 140),
    "CLIPTextEncode": Kind("CLIP Text Encode (Prompt)", [("CONDITIONING", "CONDITIONING")], 150, 160),
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
    bottom: int = -NODE_GAP

    def place(self, room: int) -> list[int]:
        """The position of the next node, which needs that height."""
        top = self.bottom + NODE_GAP
        self.bottom = top + room
        return [self.left, top]

    def group(self, number: int, head: int) -> dict[str, Any]:
        """The frame around the nodes and ``head`` pixels above them, as the page saves it."""
        box = [self.left - EDGE, -head, self.width + 2 * EDGE, self.bottom + head + EDGE]
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
    homes: dict[int, int] = field(default_factory=dict)  # the column of each node
    prompt: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def column(self, title: str, width: int = COLUMN) -> None:
        """Begin a column; the following nodes go into it."""
        last = self.columns[-1] if self.columns else None
        left = 0 if last is None else last.left + last.width + COLUMN_GAP
        self.columns.append(Column(title, left, width))

    def level_with(self, node: int) -> None:
        """Put the next node level with one of another column."""
        self.columns[-1].bottom = self.nodes[node - 1]["pos"][1] - NODE_GAP

    def add(
        self,
        kind: str,
        title: str | None = None,
        properties: dict[str, Any] | None = None,
        **inputs: Any,
    ) -> int:
        """A node. A Wire is a link, anything else a widget, in the page's order; ``a__b`` is the key a.b."""
        number, column, look = len(self.nodes) + 1, self.columns[-1], KINDS[kind]
        scales = SCALE_HEIGHT * sum("__" in name for name in inputs)
        self.homes[number] = len(self.columns) - 1
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
        place, size = column.place(look.room + scales), [column.width, look.height + scales]
        node = _node(number, kind, place, size, widgets)
        node["inputs"] = slots
        node["outputs"] = [{"name": n, "type": t, "links": []} for n, t in look.outputs]
        node["properties"] = {"Node name for S&R": kind} | (properties or {})
        self.nodes.append(node | ({"title": title} if title else {}))
        values = {
            name.replace("__", "."): [str(value.node), self._slot(value)]
            if isinstance(value, Wire)
            else value
            for name, value in inputs.items()
        }
        meta = {"title": title or look.title}
        self.prompt[str(number)] = {"class_type": kind, "inputs": values, "_meta": meta}
        return number

    def page(self) -> dict[str, Any]:
        """The graph as the page saves it, the note to the left of all."""
        number, width, last = len(self.nodes) + 1, 400, self.columns[-1]
        left, height = -EDGE - COLUMN_GAP // 2 - width, max(column.bottom for column in self.columns)
        bends, head = self._bends()
        note = _node(number, "MarkdownNote", [left, TITLE - head], [width, NOTE], [])
        note |= {"widgets_values": [self.text], "title": "Read me", "color": "#222", "bgcolor": "#000"}
        extent = last.left + last.width + EDGE - left, height + EDGE + head
        scale = round(min(1.0, VIEW[0] / extent[0], VIEW[1] / extent[1]), 3)
        return {
            "last_node_id": number,
            "last_link_id": len(self.links),
            "nodes": [*self.nodes, note],
            "links": self.links,
            "groups": [column.group(index, head) for index, column in enumerate(self.columns, 1)],
            "config": {},
            "extra": {"ds": {"scale": scale, "offset": [100 / scale - left, 110 / scale + head]}} | bends,
            "version": 0.4,
        }

    def _bends(self) -> tuple[dict[str, Any], int]:
        """Where links pass above the columns that they skip, as the page saves it; the groups' height there.

        The links of an output share a lane; outputs share one where they pass above different columns.
        """
        skipping: dict[tuple[int, int], list[tuple[int, int]]] = {}  # link and column of its target by output
        for number, source, slot, target, *_ in self.links:
            if self.homes[target] > self.homes[source] + 1:
                skipping.setdefault((source, slot), []).append((number, self.homes[target]))
        taken: list[set[int]] = []  # columns below each lane
        bends: list[dict[str, Any]] = []
        ends: list[dict[str, int]] = []
        for (source, _), links in skipping.items():
            first, stops = self.homes[source] + 1, sorted({stop for _, stop in links})
            passed = set(range(first, stops[-1]))
            lane = next((lane for lane, columns in enumerate(taken) if not columns & passed), len(taken))
            taken[lane:] = [passed.union(*taken[lane : lane + 1]), *taken[lane + 1 :]]
            y, x = LANE // 2 - HEAD - LANE * lane + TITLE // 2, self.columns[first].left - CORNER
            bends.append(_bend(len(bends) + 1, None, [x, y], [number for number, _ in links]))
            for stop in stops:
                before = self.columns[stop - 1]
                onward, x = (
                    [number for number, end in links if end >= stop],
                    before.left + before.width + CORNER,
                )
                bends.append(_bend(len(bends) + 1, len(bends), [x, y], onward))
                ends += [{"id": number, "parentId": len(bends)} for number, end in links if end == stop]
        return {"reroutes": bends, "linkExtensions": ends}, HEAD + LANE * len(taken)

    def _slot(self, wire: Wire) -> int:
        return [name for name, _ in KINDS[self.nodes[wire.node - 1]["type"]].outputs].index(wire.output)

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


def _bend(number: int, before: int | None, pos: list[int], links: list[int]) -> dict[str, Any]:
    """A point that links pass through, after another one, as the page saves it."""
    return {"id": number, **({} if before is None else {"parentId": before}), "pos": pos, "linkIds": links}
