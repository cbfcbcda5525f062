"""The shipped graphs as files: made by their script, and tidy."""

import itertools
import json
import math
import subprocess
import sys

import pytest
from graphs import KINDS, SCALE_ROOM
from PIL import Image

from ..nodes.host import ROOT

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
TITLE, BADGE = 30, 22  # pixels of a node's title, and of the pack's badge above it
SLOT = 20  # pixels from an input or output to the next
EXAMPLES = "READ_ExampleInputs"
GROWS = {"READ_ANSSampler", "READ_TalkingHeadToFile", "SaveVideo"}  # after the page has drawn it small


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def api(path):
    return load(path.parent / "api" / path.name)


def grown(path, node):
    """What a node covers in any drawing after a run with previews: left, top, right, bottom."""
    (x, y), (width, height) = node["pos"], node["size"]
    if node["type"] in KINDS:  # a test in the page compares these heights with what it draws
        scales = sum("." in name for name in api(path)[str(node["id"])]["inputs"])
        height = max(height, KINDS[node["type"]].room + SCALE_ROOM * scales)
    return x, y - TITLE, x + width, y + height


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def chain(graph, number):
    """The bends of a link, from its output to its input."""
    bends = {bend["id"]: bend for bend in graph["extra"]["reroutes"]}
    found: list[int] = []
    bend = {end["id"]: end["parentId"] for end in graph["extra"]["linkExtensions"]}.get(number)
    while bend is not None:
        assert number in bends[bend]["linkIds"]
        found.insert(0, bend)
        bend = bends[bend].get("parentId")
    return found


def way(graph, link, without=None):
    """Points along a link as the page draws it: curves at nodes, straight lines between its bends.

    Args:
        without: a bend to leave out.
    """
    number, source, slot, target, place, _ = link
    nodes = {node["id"]: node for node in graph["nodes"]}
    where = {bend["id"]: bend["pos"] for bend in graph["extra"]["reroutes"]}
    (x, y), (x2, y2) = nodes[source]["pos"], nodes[target]["pos"]
    points = [
        (x + nodes[source]["size"][0], y + SLOT * (slot + 0.7)),
        *(where[bend] for bend in chain(graph, number) if bend != without),
        (x2, y2 + SLOT * (place + 0.7)),
    ]
    for index, (start, stop) in enumerate(itertools.pairwise(points)):
        reach = math.dist(start, stop) / 4
        first = start if index else (start[0] + reach, start[1])
        last = stop if index < len(points) - 2 else (stop[0] - reach, stop[1])
        for step in range(201):
            t = step / 200
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            corners = start, first, last, stop
            yield tuple(
                sum(w * corner[axis] for w, corner in zip(weights, corners, strict=True)) for axis in (0, 1)
            )


def behind(path, graph, link, without=None):
    """Types of the nodes behind which a link runs; one that it only touches with its curve counts too."""
    nodes = [node for node in graph["nodes"] if node["id"] not in (link[1], link[3])]
    areas = [(node["type"], grown(path, node)) for node in nodes]
    points = list(way(graph, link, without))
    return {
        kind
        for kind, (left, top, right, bottom) in areas
        if any(left < x < right and top < y < bottom for x, y in points)
    }


def test_there_are_six():
    assert len(WORKFLOWS) == 6


def test_files_are_what_the_script_makes():
    command = [sys.executable, str(ROOT / "scripts" / "make_workflows.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
class TestGraph:
    def test_nodes_have_room_to_grow(self, path):
        nodes = load(path)["nodes"]
        for one, other in itertools.combinations(nodes, 2):
            assert not overlap(grown(path, one), grown(path, other)), f"{one['type']} and {other['type']}"

    def test_frames_hold_whole_nodes_and_no_more(self, path):
        graph = load(path)
        for group in graph["groups"]:
            x, y, width, height = group["bounding"]
            frame = x, y, x + width, y + height
            inside = [node for node in graph["nodes"] if overlap(grown(path, node), frame)]
            areas = [grown(path, node) for node in inside]
            assert areas
            for left, top, right, bottom in areas:
                assert x < left
                assert y < top - BADGE
                assert right < x + width
                assert bottom < y + height
            assert min(area[0] for area in areas) - x < 30
            assert x + width - max(area[2] for area in areas) < 30
            assert y + height - max(area[3] for area in areas) < 30
            assert not GROWS & {node["type"] for node in inside}

    def test_links_run_to_the_right(self, path):
        """None to a node below: each node of the chain has a column."""
        graph = load(path)
        where = {node["id"]: grown(path, node) for node in graph["nodes"]}
        for _, source, _, target, *_ in graph["links"]:
            assert where[source][2] < where[target][0]

    def test_examples_come_with_the_pack(self, path):
        kinds = [node["type"] for node in load(path)["nodes"]]
        assert kinds.count(EXAMPLES) == 1
        assert not {"LoadImage", "LoadAudio"} & set(kinds)
        (note,) = [node for node in load(path)["nodes"] if node["type"] == "MarkdownNote"]
        assert "connect *Load Image* and *Load Audio* in place of" in note["widgets_values"][0]

    def test_decoders_keep_the_frames_of_the_speech(self, path):
        prompt = api(path)
        for node in prompt.values():
            if node["class_type"] == "READ_Decode":
                source, slot = node["inputs"]["frames"]
                kind = KINDS[prompt[source]["class_type"]]
                assert (prompt[source]["class_type"], kind.outputs[slot][0]) == (
                    "READ_EncodeSpeech",
                    "frames",
                )

    def test_links_join_what_they_name(self, path):
        graph = load(path)
        nodes = {node["id"]: node for node in graph["nodes"]}
        for number, source, slot, target, place, kind in graph["links"]:
            assert number in nodes[source]["outputs"][slot]["links"]
            assert nodes[source]["outputs"][slot]["type"] == kind
            assert nodes[target]["inputs"][place]["link"] == number

    def test_no_link_runs_behind_a_node(self, path):
        graph = load(path)
        types = {node["id"]: node["type"] for node in graph["nodes"]}
        for link in graph["links"]:
            assert behind(path, graph, link) == set(), f"{types[link[1]]} to {types[link[3]]}"

    def test_every_bend_leads_a_link_past_a_node(self, path):
        graph = load(path)
        links = {link[0]: link for link in graph["links"]}
        for bend in graph["extra"]["reroutes"]:
            assert any(behind(path, graph, links[link], bend["id"]) for link in bend["linkIds"]), bend

    def test_links_meet_at_bends_of_one_output_only(self, path):
        graph = load(path)
        outputs = {number: (source, slot) for number, source, slot, *_ in graph["links"]}
        for bend in graph["extra"]["reroutes"]:
            assert len({outputs[link] for link in bend["linkIds"]}) == 1

    def test_card_is_square_and_small(self, path):
        card = path.with_suffix(".jpg")
        with Image.open(card) as image:
            assert image.format == "JPEG"
            assert image.size == (512, 512)
        assert card.stat().st_size < 100_000
