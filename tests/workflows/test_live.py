"""The video of READ Talking Head to File plays in its node while it is written."""

import pytest

from ..nodes.host import prepare_base, running
from .test_page import graph

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
NAME, KIND = "READ_long_audio", "READ_TalkingHeadToFile"
CLIPS, STEPS = 2, 16
WATCH = """
window.readLive = [];
let working = false, steps = [0, 0];
comfyAPI.api.api.addEventListener("progress", ({ detail }) => (steps = [detail.value, detail.max]));
comfyAPI.api.api.addEventListener("execution_start", () => (working = true));
comfyAPI.api.api.addEventListener("execution_success", () => (working = false));
setInterval(() => {
  for (const video of document.querySelectorAll("video[data-read=live]"))
    if (working && video.src.startsWith("blob:") && video.buffered.length)
      window.readLive.push({
        end: video.buffered.end(0),
        at: video.currentTime,
        width: video.videoWidth,
        sound: video.webkitAudioDecodedByteCount,
        steps,
      });
}, 50);
"""
FULL = """
const append = SourceBuffer.prototype.appendBuffer;
window.readHeld = 0;
SourceBuffer.prototype.appendBuffer = function (bytes) {
  const video = document.querySelector("video[data-read=live]"), { buffered } = video;
  const end = buffered.length ? buffered.end(buffered.length - 1) : 0;
  if (end > 2.2 && buffered.start(0) === 0) {
    window.readHeld = end;
    video.currentTime = end - 0.1;
    throw new DOMException("full", "QuotaExceededError");
  }
  return append.call(this, bytes);
};
0;
"""
OTHER = """
kind => {
  const { id, pos } = app.graph._nodes.find((node) => node.type === kind);
  const nodes = [{ id, pos, type: "PreviewImage", size: [200, 200] }];
  const other = { nodes, links: [], last_node_id: id, last_link_id: 0, version: 0.4 };
  comfyAPI.api.api.addEventListener("execution_start", () => app.loadGraphData(other), { once: true });
}
"""
PLAYS = "!!window.MediaSource && MediaSource.isTypeSupported('video/mp4; codecs=\"avc1.64001f, mp4a.40.2\"')"


@pytest.fixture(scope="module")
def usual(installation, tmp_path_factory):
    """The address of a host as users start it: its page may play what it makes itself."""
    base = tmp_path_factory.mktemp("live")
    prepare_base(base)
    with running(installation, base, closed=False) as host:
        yield f"http://{host.client.address}"


def page_of(browser, address, newer):
    from comfy_page import ComfyPage

    page = ComfyPage(browser, address, new_nodes=newer)
    if not page.page.evaluate(PLAYS):
        pytest.skip("this Chromium does not play H.264 and AAC")
    if newer and not page.page.evaluate("LiteGraph.vueNodesMode"):
        pytest.skip("this host's page has no newer drawing of nodes")
    page.open(graph(NAME), NAME)
    page.page.evaluate(WATCH)
    return page


@pytest.fixture(params=[False, True], ids=["drawing", "newer drawing"])
def opened(request, browser, usual):
    page = page_of(browser, usual, request.param)
    yield page
    page.close()


def run(page, seed, live=True, window=0, steps=STEPS):
    """Run the graph; what was seen of the live video meanwhile. The host keeps results by seed."""
    page.set_widget(KIND, "seed", seed + 100 * bool(page.page.evaluate("LiteGraph.vueNodesMode")))
    page.set_widget(KIND, "window", window)
    page.set_widget(KIND, "steps", steps)
    for name in ("detail", "paste_back", "blinks", "head_motion"):  # else progress counts finished frames too
        page.set_widget(KIND, name, "off")
    page.set_widget(KIND, "live", live)
    ending, detail = page.run()
    assert ending == "execution_success", detail
    return page.page.evaluate("window.readLive")


def test_finished_clips_play_before_the_last_one_is_sampled(opened, installation):
    seen = run(opened, seed=31)
    if installation.version.startswith("0.8.") and opened.page.evaluate("LiteGraph.vueNodesMode"):
        assert seen == []  # its newer drawing, a trial then, shows no widgets that come later
        return
    assert seen, "nothing was played while the node worked"
    ends = [found["end"] for found in seen]
    assert ends[0] < 9  # the example lasts 9 s
    assert ends == sorted(ends)
    assert seen[0]["steps"][1] == CLIPS * STEPS
    assert seen[0]["steps"][0] < 2 * STEPS  # the second clip is not sampled yet
    assert seen[-1]["at"] > 0  # it plays
    assert seen[-1]["width"] > 0
    assert seen[-1]["sound"] > 0
    opened.page.wait_for_timeout(1500)
    sources = [video["src"] for video in opened.videos()]
    assert any(f"filename={NAME}_" in source for source in sources)


def test_a_full_buffer_forgets_what_was_played(browser, usual):
    """The browser's own limit is some minutes; here it is 2 s, of which nearly all has been played."""
    page = page_of(browser, usual, newer=False)
    page.page.evaluate(FULL)
    ends = [found["end"] for found in run(page, seed=34, window=4, steps=3 * STEPS)]
    assert ends[-1] > page.page.evaluate("window.readHeld") > 2
    page.close()


def test_another_workflow_that_is_open_shows_nothing(browser, usual):
    """Its node with the same id is of another kind."""
    page = page_of(browser, usual, newer=False)
    page.page.evaluate(OTHER, KIND)
    assert run(page, seed=35) == []
    page.close()


def test_the_widget_switches_it_off(opened):
    assert run(opened, seed=32, live=False) == []


def test_where_the_page_may_not_play_it_the_finished_video_is_shown(browser, address):
    page = page_of(browser, address, newer=False)
    assert run(page, seed=33) == []
    page.page.wait_for_timeout(1500)
    (video,) = page.videos()
    assert f"filename={NAME}_" in video["src"]
    page.close()
