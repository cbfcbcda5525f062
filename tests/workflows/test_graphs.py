"""The shipped graphs as files: made by their script, and tidy."""

import itertools
import json
import subprocess
import sys

import pytest
from PIL import Image

from ..nodes.host import ROOT

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
TITLE = 30  # pixels of a node's title
SLOT = 20  # pixels from an input or output to the next


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def box(node):
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, x + width, y + height


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def way(graph, link):
    """The points that a link runs through: its output, its bends, its input."""
    number, source, slot, target, place, _ = link
    nodes = {node["id"]: node for node in graph["nodes"]}
    bends = {bend["id"]: bend for bend in graph["extra"]["reroutes"]}
    (x, y), width = nodes[source]["pos"], nodes[source]["size"][0]
    ends = {end["id"]: end["parentId"] for end in graph["extra"]["linkExtensions"]}
    between, bend = [], ends.get(number)
    while bend is not None:
        assert number in bends[bend]["linkIds"]
        between.insert(0, bends[bend]["pos"])
        bend = bends[bend].get("parentId")
    x2, y2 = nodes[target]["pos"]
    return [(x + width, y + SLOT * (slot + 0.7)), *between, (x2, y2 + SLOT * (place + 0.7))]


def crosses(points, area):
    """Whether straight lines between the points touch an area."""
    left, top, right, bottom = area
    for (x, y), (x2, y2) in itertools.pairwise(points):
        for step in range(101):
            part = step / 100
            if left < x + part * (x2 - x) < right and top < y + part * (y2 - y) < bottom:
                return True
    return False


def test_there_are_six():
    assert len(WORKFLOWS) == 6


def test_files_are_what_the_script_makes():
    command = [sys.executable, str(ROOT / "scripts" / "make_workflows.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
class TestGraph:
    def test_nodes_do_not_overlap(self, path):
        nodes = load(path)["nodes"]
        for one, other in itertools.combinations(nodes, 2):
            assert not overlap(box(one), box(other)), f"{one['type']} and {other['type']}"

    def test_every_node_but_the_note_lies_in_one_group(self, path):
        graph = load(path)
        for node in graph["nodes"]:
            left, top, right, bottom = box(node)
            around = [
                group["title"]
                for group in graph["groups"]
                for x, y, width, height in [group["bounding"]]
                if x < left and y < top and right < x + width and bottom < y + height
            ]
            assert len(around) == (node["type"] != "MarkdownNote"), node["type"]

    def test_links_join_what_they_name(self, path):
        graph = load(path)
        nodes = {node["id"]: node for node in graph["nodes"]}
        for number, source, slot, target, place, kind in graph["links"]:
            assert number in nodes[source]["outputs"][slot]["links"]
            assert nodes[source]["outputs"][slot]["type"] == kind
            assert nodes[target]["inputs"][place]["link"] == number

    def test_no_link_to_the_right_runs_behind_a_node(self, path):
        graph = load(path)
        where = {node["id"]: box(node) for node in graph["nodes"]}
        types = {node["id"]: node["type"] for node in graph["nodes"]}
        for link in graph["links"]:
            if where[link[1]][2] < where[link[3]][0]:
                behind = [types[node] for node, area in where.items() if crosses(way(graph, link), area)]
                assert behind == [], f"{types[link[1]]} to {types[link[3]]}"

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
