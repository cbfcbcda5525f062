"""Build a ComfyUI graph for the page and for the API from one description, with automatic layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

CONTROLLED = "seed"  # the page adds a widget after it that says what becomes of it after a run
WIRED = {"frames": 0}  # widgets that became sockets keep a value
NODE_GAP = 54  # between nodes of a column: the lower one's title and the badge of its pack lie in it
ABOVE, HIGHER = -116, -190  # tops of columns whose links pass above the others
COLUMN_GAP = 56  # between columns of a group, where links run
GROUP_GAP = 76  # between columns of two groups
EDGE = 16  # from a group's edge to its nodes
HEAD = 40  # height of a group's title
TITLE = 30  # height of a node's title
BADGE = 22  # height of the pack's badge above it
SLOT = 20  # from a node's input or output to the next
LANE = 22  # from a link that runs above the nodes to the next
CORNER, STEP = 14, 10  # from a column to where a link turns to it, and to where the next one does
VIEW = (1740, 900)  # pixels of a page that the graph may fill when it opens
FIT = (1340, 800)  # pixels that the page's Fit View fills of a screen of 1920 x 1080
NOTE_WIDTHS = 440, 1280  # left of the graph, above it
LETTER, LINE, PARAGRAPH = 11, 24, 14  # of the note: a letter's width, a line's height, and between two
COLOR = "#3f789e"


@dataclass(frozen=True)
class Kind:
    """How the page shows a kind of node.

    Attributes:
        title: its title in the page.
        outputs: name and type of each.
        width: smallest width in pixels.
        height: in pixels, with its text, previews and result after a run.
        room: largest height in all of the page's renderings; a test compares it with the page.
    """

    title: str
    outputs: list[tuple[str, str]]
    width: int
    height: int
    room: int


# A test compares titles and outputs with what the nodes say themselves.
KINDS = {
    "READ_LoadModels": Kind("Load READ Models", [("models", "READ_MODELS"), ("vae", "VAE")], 290, 288, 350),
    "READ_ExampleInputs": Kind(
        "READ Example Inputs", [("portrait", "IMAGE"), ("recording", "AUDIO")], 290, 310, 345
    ),
    "READ_EncodeSpeech": Kind(
        "READ Whisper + SpeechAE Encode",
        [("speech", "READ_SPEECH"), ("audio", "AUDIO"), ("frames", "INT")],
        310,
        244,
        310,
    ),
    "READ_EncodeReference": Kind(
        "READ Encode Reference",
        [
            ("reference", "READ_REFERENCE"),
            ("image", "IMAGE"),
            ("x", "INT"),
            ("y", "INT"),
            ("region_width", "INT"),
            ("region_height", "INT"),
        ],
        310,
        640,
        700,
    ),
    "READ_ANSSampler": Kind("READ ANS Sampler", [("latent", "LATENT")], 356, 300, 580),
    "READ_Decode": Kind(
        "READ Temporal VAE Decode", [("images", "IMAGE"), ("fps", "FLOAT"), ("frames", "INT")], 264, 150, 200
    ),
    "READ_RestoreDetail": Kind("READ Restore Detail", [("images", "IMAGE")], 244, 222, 292),
    "READ_PasteBack": Kind("READ Paste Back", [("images", "IMAGE"), ("mask", "MASK")], 250, 190, 235),
    "READ_TalkingHeadToFile": Kind("READ Talking Head to File", [("video", "VIDEO")], 400, 816, 1242),
    "READ_Check": Kind(
        "READ Check",
        [("plot", "IMAGE"), ("report", "STRING"), ("follows", "FLOAT"), ("lag", "INT")],
        480,
        430,
        470,
    ),
    "CreateVideo": Kind("Create Video", [("VIDEO", "VIDEO")], 210, 102, 115),
    "SaveVideo": Kind("Save Video", [], 340, 112, 360),
    "ImageStitch": Kind("Stitch Images", [("IMAGE", "IMAGE")], 240, 150, 155),
    "CLIPLoader": Kind("Load CLIP", [("CLIP", "CLIP")], 290, 106, 140),
    "CLIPTextEncode": Kind("CLIP Text Encode (Prompt)", [("CONDITIONING", "CONDITIONING")], 310, 150, 160),
}
Output = tuple[int, int]  # a node's id, and which of its outputs
SCALE_HEIGHT, SCALE_ROOM = 26, 28  # of a widget that the choice of guidance brings


@dataclass(frozen=True)
class Wire:
    """An output of a node: its id and the output's name."""

    node: int
    output: str


@dataclass
class Column:
    """Nodes below each other, without links between them.

    Attributes:
        left: its left edge.
        width: of its nodes.
        bottom: bottom of the room of its last node.
    """

    left: int
    width: int
    bottom: int

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.left + self.width


@dataclass
class Bends:
    """Points that links pass through, and the links that start from them, in the page's format."""

    points: list[dict[str, Any]] = field(default_factory=list)
    ends: list[dict[str, int]] = field(default_factory=list)

    def add(self, x: int, y: int, links: list[list[Any]], before: int | None = None) -> int:
        """Add a point after another one; return its id."""
        parent = {} if before is None else {"parentId": before}
        number = len(self.points) + 1
        self.points.append({"id": number, **parent, "pos": [x, y], "linkIds": [link[0] for link in links]})
        return number


@dataclass
class Graph:
    """A graph, built column by column from left to right; ``add`` returns the node's id.

    Columns whose links skip others start higher, so that these links run straight above the nodes.
    """

    title: str = ""
    text: str = ""
    nodes: list[dict[str, Any]] = field(default_factory=list)
    links: list[list[Any]] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    groups: list[tuple[str | None, list[int]]] = field(default_factory=list)  # title and nodes
    homes: dict[int, int] = field(default_factory=dict)  # the column of each node
    rooms: dict[int, int] = field(default_factory=dict)  # the height that each node needs at most
    prompt: dict[str, Any] = field(default_factory=dict)
    here: int = 0  # the column that the next node goes into

    def group(self, title: str | None, top: int = 0, width: int = 0) -> None:
        """Start a group with a new column; see :meth:`column`.

        Args:
            title: title of the frame around its nodes; None: no frame, for nodes that grow.
        """
        self.groups.append((title, []))
        self.column(top, width)

    def column(self, top: int = 0, width: int = 0) -> None:
        """Start a column for the following nodes.

        Args:
            top: top of its first node.
            width: smallest width of its nodes.
        """
        left = 0
        if self.columns:
            last = self.columns[-1]
            left = last.right + (COLUMN_GAP if self.groups[-1][1] else GROUP_GAP)
        self.here = len(self.columns)
        self.columns.append(Column(left, width, top - NODE_GAP))

    def column_below(self, node: int, level: int | None = None) -> None:
        """Continue in the column of a node, level with another node if given."""
        self.here = self.homes[node]
        if level is not None:
            self.columns[self.here].bottom = self.nodes[level - 1]["pos"][1] - NODE_GAP

    def add(
        self,
        kind: str,
        title: str | None = None,
        properties: dict[str, Any] | None = None,
        shows: float = 0.0,
        **inputs: Any,
    ) -> int:
        """Add a node. A Wire is a link, anything else a widget in the page's order; ``a__b`` is key a.b.

        Args:
            shows: height of the node's video, relative to its width.
        """
        number, column, look = len(self.nodes) + 1, self.columns[self.here], KINDS[kind]
        scales = sum("__" in name for name in inputs)
        column.width = max(column.width, look.width)
        height = look.height + SCALE_HEIGHT * scales + round(shows * column.width)
        self.homes[number] = self.here
        self.groups[-1][1].append(number)
        self.rooms[number] = max(look.room + SCALE_ROOM * scales, height)
        place = [column.left, column.bottom + NODE_GAP]
        column.bottom = place[1] + self.rooms[number]
        slots: list[dict[str, Any]] = []
        widgets: list[Any] = []
        for name, value in inputs.items():
            if isinstance(value, Wire):
                slots.append(self._link(value, number, len(slots), name))
                if name in WIRED:
                    slots[-1]["widget"] = {"name": name}
                    widgets.append(WIRED[name])
            else:
                widgets += [value, "fixed"] if name == CONTROLLED else [value]
        node = _node(number, kind, place, [0, height], widgets)
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
        """The graph in the page's format, with a note at the place that keeps the graph largest in view."""
        for node in self.nodes:
            node["size"][0] = self.columns[self.homes[node["id"]]].width
        bends, lane = self._bends()
        top = min([lane - LANE // 2, *(self._top(node) for node in self.nodes)]) - HEAD
        right = self.columns[-1].right + EDGE
        bottom = max(column.bottom for column in self.columns) + EDGE
        number, (narrow, wide) = len(self.nodes) + 1, NOTE_WIDTHS
        beside = [-EDGE - GROUP_GAP // 2 - narrow, top + TITLE, narrow, self._note_height(narrow)]
        above = [-EDGE, top - GROUP_GAP // 2 - self._note_height(wide), wide, self._note_height(wide)]
        box = max((beside, above), key=lambda box: _scale(FIT, box, right, bottom))
        note = _node(number, "MarkdownNote", box[:2], box[2:], [self.text])
        note |= {"title": self.title, "color": "#222", "bgcolor": "#000"}
        scale = _scale(VIEW, box, right, bottom)
        view = {"scale": scale, "offset": [100 / scale - box[0], 110 / scale + TITLE - box[1]]}
        return {
            "last_node_id": number,
            "last_link_id": len(self.links),
            "nodes": [*self.nodes, note],
            "links": self.links,
            "groups": list(self._groups(top)),
            "config": {},
            "extra": {"ds": view} | bends,
            "version": 0.4,
        }

    def _note_height(self, width: int) -> int:
        """Height of the note at a width, including heading marks."""
        paragraphs = self.text.split("\n\n")
        lines = sum(-(-len(paragraph) * LETTER // width) for paragraph in paragraphs)
        return lines * LINE + (len(paragraphs) + 1) * PARAGRAPH

    def _top(self, node: dict[str, Any]) -> int:
        """The upper edge of a node and what is above it."""
        return int(node["pos"][1]) - TITLE - BADGE

    def _groups(self, top: int) -> Iterator[dict[str, Any]]:
        """Frames from ``top`` around the nodes, as the page saves them."""
        framed = [(title, members) for title, members in self.groups if title is not None]
        for number, (title, members) in enumerate(framed, 1):
            columns = [self.columns[self.homes[member]] for member in members]
            left = min(column.left for column in columns) - EDGE
            right = max(column.right for column in columns) + EDGE
            bottom = max(column.bottom for column in columns) + EDGE
            yield {
                "id": number,
                "title": title,
                "bounding": [left, top, right - left, bottom - top],
                "color": COLOR,
                "font_size": 24,
                "flags": {},
            }

    def _bends(self) -> tuple[dict[str, Any], int]:
        """Points that lead links past skipped columns, in the page's format; and the highest one.

        A link runs at the height of its output if no node is in the way; otherwise it first turns to a lane
        above all nodes. It turns to its input before the input's column. If the input is so low that the
        curve would bulge behind the previous column, it turns once more above it. Links of one output share
        their path.
        """
        skipping: dict[Output, list[list[Any]]] = {}
        for link in self.links:
            if self.homes[link[3]] > self.homes[link[1]] + 1:
                skipping.setdefault((link[1], link[2]), []).append(link)
        heights = {output: self._height(output, links) for output, links in skipping.items()}
        tops = [self._top(node) for node in self.nodes if self.homes[node["id"]]]
        lane = min([*tops, *(height for height in heights.values() if height is not None)])
        lanes = count(lane - LANE, -LANE)
        ways = {output: next(lanes) if height is None else height for output, height in heights.items()}
        turns: dict[int, list[Output]] = {}  # whose links turn before each column, the highest first
        for output in sorted(ways, key=lambda output: ways[output]):
            for stop in {self.homes[link[3]] for link in skipping[output]}:
                turns.setdefault(stop, []).append(output)
        bends = Bends()
        for output, links in skipping.items():
            y, before = ways[output], None
            if heights[output] is None:
                before = bends.add(self.columns[self.homes[output[0]]].right + CORNER, y, links)
            for stop in sorted({self.homes[link[3]] for link in links}):
                x = self.columns[stop].left - CORNER - STEP * turns[stop].index(output)
                before = bends.add(x, y, [link for link in links if self.homes[link[3]] >= stop], before)
                for link in links:
                    if self.homes[link[3]] == stop:
                        below, last = self.nodes[link[3] - 1]["pos"][1], before
                        if x - _bulge(self.columns[stop].left - x, below - y) < self.columns[stop - 1].right:
                            last = bends.add(x, below, [link], before)
                        bends.ends.append({"id": link[0], "parentId": last})
        return {"reroutes": bends.points, "linkExtensions": bends.ends}, min([0, *ways.values()])

    def _height(self, output: Output, links: list[list[Any]]) -> int | None:
        """Height at which links from an output run straight past skipped columns; None: there is none."""
        source, slot = output
        y = self.nodes[source - 1]["pos"][1] + round(SLOT * (slot + 0.7))
        passed = range(self.homes[source] + 1, max(self.homes[link[3]] for link in links))
        taken = any(
            self._top(node) < y < node["pos"][1] + self.rooms[node["id"]]
            for node in self.nodes
            if self.homes[node["id"]] in passed
        )
        return None if taken else y

    def _slot(self, wire: Wire) -> int:
        return [name for name, _ in KINDS[self.nodes[wire.node - 1]["type"]].outputs].index(wire.output)

    def _link(self, wire: Wire, target: int, slot: int, name: str) -> dict[str, Any]:
        number, source = len(self.links) + 1, self._slot(wire)
        output = self.nodes[wire.node - 1]["outputs"][source]
        output["links"].append(number)
        self.links.append([number, wire.node, source, target, slot, output["type"]])
        return {"name": name, "type": output["type"], "link": number}


def _node(number: int, kind: str, pos: list[int], size: list[int], widgets: list[Any]) -> dict[str, Any]:
    """The fields of every node in the page's format."""
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


def _scale(view: tuple[int, int], note: list[int], right: int, bottom: int) -> float:
    """Scale at which a page shows the graph from the note to its lower right corner."""
    left, top, width, height = note
    extent = max(right, left + width) - left, max(bottom, top + height) - top + TITLE
    return round(min(1.0, view[0] / extent[0], view[1] / extent[1]), 3)


def _bulge(right: int, down: int) -> float:
    """How far left a link swings if its input is at this distance right and down of a bend.

    The link is a Bezier curve with its last control point left of the input by a quarter of the distance;
    this is its value at two thirds.
    """
    return 4 / 9 * (down / 4 - right) - 8 / 27 * right
