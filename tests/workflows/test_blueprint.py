"""The subgraph blueprint: as a file, and in the page of a real host."""

import json
import subprocess
import sys

import pytest

from ..nodes.host import ROOT

PATH = ROOT / "subgraphs" / "READ Talking Head.json"
FILE = json.loads(PATH.read_text(encoding="utf-8"))
(GRAPH,) = FILE["definitions"]["subgraphs"]
SHOWN = ["checkpoint", "fit", "start", "duration", "audio_scale", "seed", "steps"]
INPUT, OUTPUT = -10, -20
CHOSEN = {"fit": "crop", "start": 1.0, "duration": 1.0, "audio_scale": 1.2, "seed": 7, "steps": 2}

OWNERS = {
    "fit": "READ_EncodeReference",
    "start": "READ_EncodeSpeech",
    "duration": "READ_EncodeSpeech",
    "audio_scale": "READ_EncodeSpeech",
    "seed": "READ_ANSSampler",
    "steps": "READ_ANSSampler",
}
NODES = {node["id"]: node for node in GRAPH["nodes"]}


def test_file_is_what_the_script_makes():
    command = [sys.executable, str(ROOT / "scripts" / "make_blueprint.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class TestFile:
    def test_it_is_one_node_of_the_subgraph_alone(self):
        """What the page asks of a blueprint."""
        (node,) = FILE["nodes"]
        assert node["type"] == GRAPH["id"]
        for side in ("inputs", "outputs"):
            shown, own = ([(s["name"], s["type"]) for s in place[side]] for place in (node, GRAPH))
            assert shown == own
        assert [slot["name"] for slot in node["inputs"] if "widget" in slot] == SHOWN

    def test_inputs_and_outputs_are_what_the_nodes_have(self):
        known = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
        for node in NODES.values():
            texts = known[node["type"]]
            nested = {key for key in texts["inputs"] if key.startswith("guidance_")}
            assert {slot["name"] for slot in node["inputs"]} == set(texts["inputs"]) - nested
            assert [slot["name"] for slot in node["outputs"]] == [
                o["name"] for o in texts["outputs"].values()
            ]

    def test_both_ends_of_a_link_know_it_and_are_of_its_type(self):
        links = {link["id"]: link for link in GRAPH["links"]}
        assert len(links) == len(GRAPH["links"])
        for number, link in links.items():
            if link["origin_id"] == INPUT:
                source = GRAPH["inputs"][link["origin_slot"]]
                assert number in source["linkIds"]
            else:
                source = NODES[link["origin_id"]]["outputs"][link["origin_slot"]]
                assert number in source["links"]
            if link["target_id"] == OUTPUT:
                target = GRAPH["outputs"][link["target_slot"]]
                assert target["linkIds"] == [number]
            else:
                target = NODES[link["target_id"]]["inputs"][link["target_slot"]]
                assert target["link"] == number
            assert source["type"] == target["type"] == link["type"]

    def test_no_input_that_a_run_needs_is_left_open(self):
        sockets = [s for node in NODES.values() for s in node["inputs"] if "widget" not in s]
        assert {slot["name"] for slot in sockets if slot["link"] is None} == {"conditioning"}

    def test_bends_belong_to_links_that_are_there(self):
        numbers = {link["id"] for link in GRAPH["links"]}
        bends = {bend["id"] for bend in GRAPH["reroutes"]}
        assert all(set(bend["linkIds"]) <= numbers for bend in GRAPH["reroutes"])
        assert {link["parentId"] for link in GRAPH["links"] if "parentId" in link} <= bends


def inputs_of(page):
    """(node, input) -> value, as the page would queue them."""
    return {
        (node["class_type"], name): value
        for node in page.prompt().values()
        for name, value in node["inputs"].items()
    }


@pytest.mark.comfy
@pytest.mark.slow
def test_it_comes_from_the_node_library_and_its_widgets_reach_the_nodes(page, host):
    page.take("READ Talking Head")
    page.page.evaluate(
        """() => {
            const all = app.graph._nodes[0], at = (slots, name) => slots.findIndex(s => s.name === name);
            const make = type => { const n = LiteGraph.createNode(type); app.graph.add(n); return n };
            const image = make('LoadImage'), audio = make('LoadAudio');
            const video = make('CreateVideo'), save = make('SaveVideo');
            image.widgets.find(w => w.name === 'image').value = 'portrait.png';
            audio.widgets.find(w => w.name === 'audio').value = 'speech.flac';
            save.widgets.find(w => w.name === 'filename_prefix').value = 'video/blueprint';
            image.connect(0, all, at(all.inputs, 'image'));
            audio.connect(0, all, at(all.inputs, 'audio'));
            for (const name of ['images', 'audio', 'fps'])
                all.connect(at(all.outputs, name), video, at(video.inputs, name));
            video.connect(0, save, at(save.inputs, 'video'));
        }"""
    )
    before = inputs_of(page)
    page.page.evaluate(
        """chosen => { for (const [name, value] of Object.entries(chosen)) {
            const w = app.graph._nodes[0].widgets.find(w => w.name === name);
            w.value = value; w.callback?.(value) } }""",
        CHOSEN,
    )
    changed = {key: value for key, value in inputs_of(page).items() if value != before[key]}
    assert changed == {(OWNERS[name], name): value for name, value in CHOSEN.items()}
    ending, detail = page.run()
    assert ending == "execution_success", detail
    (video,) = page.videos()
    assert video["seconds"] == pytest.approx(CHOSEN["duration"], abs=0.1)
    assert list((host.output / "video").glob("blueprint_*.mp4"))
