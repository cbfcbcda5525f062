"""Every shipped graph in the page of a real host, in a real browser."""

import itertools
import json
import urllib.request
from pathlib import Path

import pytest
from graphs import KINDS

from ..nodes.host import ROOT

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
NAMES = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
RUN = [name for name in NAMES if name != "READ_text_and_lora"]
HELP = sorted(path.stem for path in (ROOT / "web" / "docs").glob("*.md"))
SECONDS = 1.0
PICTURE = 512  # pixels of the example portrait
SIZES = {  # width and height of the videos, where they are not read-tiny's
    "READ_talking_head": (PICTURE, 640),
    "READ_long_audio": (PICTURE, 640),
    "READ_compare_guidance": (2 * 128 + 8, 128),
    "READ_photo_compare": (2 * PICTURE + 8, 640),
}
EARLIER = ROOT / "tests" / "workflows" / "saved"
SAVED = sorted(path.stem for path in EARLIER.glob("*.json"))
QUIET = {
    "detail": "auto",
    "paste_back": "auto",
    "output_size": 0,
    "face_index": 0,
    "face_x": 0.5,
    "face_y": 0.5,
    "face_size": 0.0,
    "index": 0,
    "crf": 17,
    "fps": "25",
    "save": True,
    "frames": 0,
    "live": True,
    "blinks": "auto",
    "head_motion": "auto",
}


def graph(name):
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


def api(name):
    return json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.headers["Content-Type"], answer.read()


@pytest.mark.parametrize("name", NAMES)
def test_graph_opens_with_no_missing_node(page, name):
    page.open(graph(name), name)
    assert page.missing() == []


@pytest.mark.parametrize("name", NAMES)
def test_api_prompt_is_what_the_page_would_queue(page, name):
    page.open(graph(name), name)
    shown, stored = page.prompt(), api(name)
    assert {number: node["class_type"] for number, node in shown.items()} == {
        number: node["class_type"] for number, node in stored.items()
    }
    for number, node in stored.items():
        inputs = shown[number]["inputs"]
        if node["class_type"].startswith("READ_"):
            assert inputs == node["inputs"]
            assert shown[number]["_meta"] == node["_meta"]
        else:  # newer hosts give core nodes further widgets
            assert inputs.items() >= node["inputs"].items()


def apart(boxes):
    for (one, (x, y, width, height)), (other, (x2, y2, width2, height2)) in itertools.combinations(
        boxes.items(), 2
    ):
        separate = x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
        assert separate, f"nodes {one} and {other}"


@pytest.mark.parametrize("name", NAMES)
def test_page_leaves_nodes_apart(page, name):
    page.open(graph(name), name)
    apart(page.boxes())


@pytest.mark.parametrize("name", NAMES)
def test_newer_drawing_leaves_nodes_apart(newer_page, name):
    page, described = newer_page, graph(name)
    page.open(described, name)
    page.fit()
    drawn = page.drawn()
    assert set(drawn) == {str(node["id"]) for node in described["nodes"]}
    apart(drawn)


@pytest.mark.parametrize("name", NAMES)
def test_page_keeps_the_bends_of_links(page, name):
    described = graph(name)
    page.open(described, name)
    kept = page.saved()["extra"]
    for key in ("reroutes", "linkExtensions"):
        assert len(kept.get(key) or []) == len(described["extra"][key])


def test_scripts_know_the_nodes_as_the_host_does(host):
    told = host.client.get("/object_info")
    for name, kind in KINDS.items():
        node = told[name]
        outputs = list(zip(node["output_name"], node["output"], strict=True))
        if name.startswith("READ_"):
            assert (kind.title, kind.outputs) == (node["display_name"], outputs)
        else:  # newer hosts give core nodes further outputs, and other names
            assert outputs[: len(kind.outputs)] == kind.outputs


@pytest.mark.parametrize("name", NAMES)
def test_saved_graph_opens_as_it_was(page, name):
    page.open(graph(name), name)
    before = page.prompt()
    page.open(page.saved(), f"{name} again")
    assert page.prompt() == before


@pytest.mark.parametrize("name", SAVED)
def test_graph_of_an_earlier_version_opens_with_its_values_and_defaults_that_change_nothing(page, name):
    """Widgets that the graph does not know are at their defaults, which leave the fit ``crop`` as it was."""
    page.open(json.loads((EARLIER / f"{name}.json").read_text(encoding="utf-8")), f"earlier {name}")
    assert page.missing() == []
    shown = page.prompt()
    for number, node in json.loads((EARLIER / "api" / f"{name}.json").read_text(encoding="utf-8")).items():
        inputs = shown[number]["inputs"]
        assert inputs.items() >= node["inputs"].items(), number
        if node["class_type"].startswith("READ_"):
            new = {key: value for key, value in inputs.items() if key not in node["inputs"]}
            assert new.items() <= QUIET.items(), number


@pytest.mark.parametrize("name", NAMES)
def test_card_is_among_the_hosts_templates(address, name):
    listed = json.loads(get(f"{address}/api/workflow_templates")[1])
    (folder,) = [pack for pack, names in listed.items() if name in names]
    kind, card = get(f"{address}/api/workflow_templates/{folder}/{name}.jpg")
    assert kind == "image/jpeg"
    assert card == (ROOT / "workflows" / f"{name}.jpg").read_bytes()
    assert json.loads(get(f"{address}/api/workflow_templates/{folder}/{name}.json")[1]) == graph(name)


def shorten(page):
    """Speak the beginning alone."""
    for kind in ("READ_EncodeSpeech", "READ_TalkingHeadToFile"):
        page.set_widget(kind, "duration", SECONDS)


@pytest.mark.parametrize("name", RUN)
def test_graph_queued_from_the_page_shows_its_video(page, host, name):
    page.open(graph(name), name)
    shorten(page)
    ending, detail = page.run()
    assert ending == "execution_success", detail
    (video,) = page.videos()
    assert f"filename={name}_" in video["src"]
    assert video["seconds"] == pytest.approx(SECONDS, abs=0.1)
    assert (video["width"], video["height"]) == SIZES.get(name, (128, 128))
    assert list((host.output / "video").glob(f"{name}_*.mp4"))


def test_check_shows_its_plot(page):
    page.open(graph("READ_check"), "READ_check")
    shorten(page)
    assert page.run()[0] == "execution_success"
    number = next(number for number, node in api("READ_check").items() if node["class_type"] == "READ_Check")
    (plot,) = page.outputs()[number]["images"]
    assert Path(plot["filename"]).suffix == ".png"


class TestGuidance:
    """The dynamic combo: its scales come and go, and are saved with the graph."""

    KIND = "READ_ANSSampler"

    def sampler(self, page):
        nodes = [node for node in page.prompt().values() if node["class_type"] == self.KIND]
        return {key: value for key, value in nodes[0]["inputs"].items() if key.startswith("guidance")}

    def test_scales_follow_the_choice(self, page):
        page.open(graph("READ_talking_head"), "scales")
        assert self.sampler(page) == {"guidance": "checkpoint default"}
        page.set_widget(self.KIND, "guidance", "split")
        assert self.sampler(page) == {"guidance": "split", "guidance.alpha": -1.0, "guidance.beta": 3.0}
        page.set_widget(self.KIND, "guidance", "joint")
        assert self.sampler(page) == {"guidance": "joint", "guidance.alpha": 2.5}
        page.set_widget(self.KIND, "guidance", "distilled")
        assert self.sampler(page) == {"guidance": "distilled", "guidance.alpha": 0.0, "guidance.beta": 2.5}
        page.set_widget(self.KIND, "guidance", "none")
        assert self.sampler(page) == {"guidance": "none"}

    def test_scales_survive_saving_and_loading(self, page):
        page.open(graph("READ_talking_head"), "round trip")
        page.set_widget(self.KIND, "guidance", "split")
        page.set_widget(self.KIND, "guidance.alpha", -1.5)
        page.set_widget(self.KIND, "guidance.beta", 7.5)
        chosen = {"guidance": "split", "guidance.alpha": -1.5, "guidance.beta": 7.5}
        assert self.sampler(page) == chosen
        saved = json.loads(json.dumps(page.saved()))
        page.open(graph("READ_talking_head"), "another")
        assert self.sampler(page) == {"guidance": "checkpoint default"}
        page.open(saved, "round trip")
        assert self.sampler(page) == chosen
        others = {key: value for key, value in page.widgets(self.KIND).items() if "guidance" not in key}
        assert others == {
            "seed": 0,
            "control_after_generate": "fixed",
            "steps": 0,
            "window": 0,
            "order": "clips",
        }


def test_every_node_has_a_help_page(page):
    known = page.page.evaluate(
        "Object.keys(LiteGraph.registered_node_types).filter(t => t.startsWith('READ_'))"
    )
    assert sorted(known) == HELP


@pytest.mark.parametrize("kind", HELP)
def test_help_panel_shows_the_page(page, kind):
    holding = [name for name in NAMES if any(node["type"] == kind for node in graph(name)["nodes"])]
    name = (holding or NAMES)[0]
    page.open(graph(name), name)
    if not holding:  # no graph needs it
        page.page.evaluate("kind => app.graph.add(LiteGraph.createNode(kind))", kind)
    page.fit()
    shown = page.help(kind)
    written = (ROOT / "web" / "docs" / f"{kind}.md").read_text(encoding="utf-8")
    headings = [line.lstrip("# ") for line in written.splitlines() if line.startswith("#")]
    assert shown.startswith(headings[0])
    assert all(heading in shown for heading in headings)
