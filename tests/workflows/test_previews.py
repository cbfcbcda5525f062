"""With the host's previews on: nodes grow and cover nothing, and videos are on screen in the end."""

import os

import pytest
from graphs import KINDS, SCALE_ROOM

from ..nodes.host import prepare_base, running
from .test_page import RUN, apart, api, graph

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
NAME, KIND = "READ_long_audio", "READ_TalkingHeadToFile"
SECONDS = 0.8
QUICK = {"window": 4, "steps": 1}


@pytest.fixture(scope="module")
def previewing(installation, tmp_path_factory):
    """The address of a host with previews, and without any file among its inputs."""
    base = tmp_path_factory.mktemp("previews")
    prepare_base(base)
    for file in (base / "input").iterdir():
        file.unlink()
    with running(installation, base, "--preview-method", "auto") as host:
        yield f"http://{host.client.address}"
    assert [path for path in (base / "input").rglob("*") if path.is_file()] == []


@pytest.fixture(scope="module", params=[False, True], ids=["drawing", "newer drawing"])
def previewed(request, browser, previewing):
    """The host's page in each of its drawings of nodes; whether it is the newer one."""
    from comfy_page import ComfyPage

    page = ComfyPage(browser, previewing, new_nodes=request.param)
    if request.param and not page.page.evaluate("LiteGraph.vueNodesMode"):
        pytest.skip("this host's page has no newer drawing of nodes")
    page.page.evaluate(
        "comfyAPI.api.api.addEventListener('b_preview_with_metadata', () => window.readPreviews++)"
    )
    yield page, request.param
    page.close()
    assert page.errors == []


def run(page, name, seed):
    """Run a graph, short; the page shows at least one preview."""
    page.open(graph(name), name)
    page.fit()
    for kind in ("READ_EncodeSpeech", KIND):
        page.set_widget(kind, "duration", SECONDS)
    for kind in ("READ_ANSSampler", KIND):
        for widget, value in {**QUICK, "seed": seed}.items():
            page.set_widget(kind, widget, value)
    page.page.evaluate("window.readPreviews = 0")
    ending, detail = page.run()
    assert ending == "execution_success", detail
    assert page.page.evaluate("window.readPreviews") > 0


@pytest.mark.parametrize("name", RUN)
def test_nodes_that_have_grown_lie_apart_and_in_the_room_left_for_them(installation, previewed, name):
    page, newer = previewed
    run(page, name, seed=2 + newer)
    page.fit()
    if picture := os.environ.get("READ_PICTURES"):
        page.page.screenshot(path=f"{picture}/{name}-{newer}.png")
    boxes = page.drawn() if newer else page.boxes()
    apart(boxes)
    if newer and installation.version.startswith("0.8."):
        return  # its newer drawing, a trial then, makes every node higher than the room; they lie apart
    scale, title = (page.page.evaluate("app.canvas.ds.scale") if newer else 1), 30
    for number, node in api(name).items():
        scales = sum("guidance." in widget for widget in node["inputs"])
        stored = next(found["size"][1] for found in graph(name)["nodes"] if found["id"] == int(number))
        room = max(KINDS[node["class_type"]].room + SCALE_ROOM * scales, stored)
        assert boxes[number][3] / scale - title <= room + 1, node["class_type"]


def test_the_video_is_on_screen_in_the_end(previewed):
    page, newer = previewed
    run(page, NAME, seed=int(newer))
    page.page.wait_for_function("!Object.keys(app.nodePreviewImages).length")
    page.page.wait_for_timeout(1500)
    (video,) = page.videos()
    assert f"filename={NAME}_" in video["src"]
    assert video["seconds"] == pytest.approx(SECONDS, abs=0.1)
    assert not page.page.evaluate(
        "[...document.images].some(i => i.checkVisibility() && i.src.startsWith('blob:'))"
    )
