"""With the host's previews on: a node that previews and writes a video ends with the video on screen."""

import json
import os

import pytest

from ..nodes.conftest import cut_recording
from ..nodes.host import ROOT, prepare_base, running

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
NAME, KIND = "READ_long_audio", "READ_TalkingHeadToFile"


@pytest.fixture(scope="module")
def previewing(installation, tmp_path_factory):
    """The address of a host with previews."""
    base = tmp_path_factory.mktemp("previews")
    prepare_base(base)
    cut_recording(base / "input" / "short.wav", 1.0, 1.8)
    with running(installation, base, "--preview-method", "auto") as host:
        yield f"http://{host.client.address}"


@pytest.mark.parametrize("newer", [False, True], ids=["drawing", "newer drawing"])
def test_the_video_is_on_screen_in_the_end(browser, previewing, newer):
    from comfy_page import ComfyPage

    page = ComfyPage(browser, previewing, new_nodes=newer)
    if newer and not page.page.evaluate("LiteGraph.vueNodesMode"):
        pytest.skip("this host's page has no newer drawing of nodes")
    page.open(json.loads((ROOT / "workflows" / f"{NAME}.json").read_text(encoding="utf-8")), NAME)
    page.fit()
    page.set_widget("LoadAudio", "audio", "short.wav")
    page.set_widget(KIND, "window", 4)
    page.set_widget(KIND, "steps", 1)
    page.set_widget(KIND, "seed", int(newer))
    page.page.evaluate(
        "window.readPreviews = 0;"
        "comfyAPI.api.api.addEventListener('b_preview_with_metadata', () => window.readPreviews++)"
    )
    ending, detail = page.run()
    assert ending == "execution_success", detail
    assert page.page.evaluate("window.readPreviews") > 0
    page.page.wait_for_function("!Object.keys(app.nodePreviewImages).length")
    page.page.wait_for_timeout(1500)
    (video,) = page.videos()
    assert f"filename={NAME}_" in video["src"]
    assert video["seconds"] == pytest.approx(0.8, abs=0.1)
    assert not page.page.evaluate(
        "[...document.images].some(i => i.checkVisibility() && i.src.startsWith('blob:'))"
    )
    if picture := os.environ.get("READ_PICTURES"):
        page.page.screenshot(path=f"{picture}/previews-{newer}.png")
    page.close()
    assert page.errors == []
