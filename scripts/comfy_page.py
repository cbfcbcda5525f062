"""Drive ComfyUI's page in a headless browser, for the pictures in the documentation and for the tests.

Needs playwright (``pip install playwright``) and a Chromium: the system's (``apt-get install chromium``) or
playwright's (``playwright install chromium``).
"""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, sync_playwright

PATIENCE = 600_000  # milliseconds; the machine may be busy
SETTINGS = {
    "Comfy.TutorialCompleted": True,  # else a browser of templates opens
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,  # else labels vanish when zoomed out
    "Comfy.Minimap.Visible": False,
    "Comfy.RightSidePanel.IsOpen": False,
    "Comfy.Graph.CanvasInfo": False,
}
NEW_NODES = "Comfy.VueNodes.Enabled"
SIZE = (1920, 1080)
QUEUE = "[data-testid='queue-button'] button, button[data-testid='queue-button']"  # older, newer page
MESSAGES = "[data-testid=error-overlay], .p-toast"  # over the graph
_MARGIN = 16  # pixels around a picture of the graph
ENDED = ("execution_success", "execution_error", "execution_interrupted")


class ComfyPage:
    """The page of a running ComfyUI.

    Args:
        browser: the browser.
        address: for example ``http://127.0.0.1:8188``.
        new_nodes: use the page's newer rendering of nodes, if it has one.
        size: width and height of the window in pixels.
    """

    def __init__(
        self,
        browser: Browser,
        address: str,
        new_nodes: bool = False,
        size: tuple[int, int] = SIZE,
    ) -> None:
        self.address, self.size = address, size
        for name, value in (SETTINGS | {NEW_NODES: new_nodes}).items():
            self._set(name, value)
        self.page: Page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.page.set_default_timeout(PATIENCE)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_function(
            "window.app?.graph && Object.keys(LiteGraph.registered_node_types).length > 100"
        )
        self.page.wait_for_timeout(1500)

    def open(self, graph: dict[str, Any], name: str) -> None:
        """Open a graph as from a file with that name, and close messages about missing models."""
        self.page.evaluate("([graph, name]) => app.loadGraphData(graph, true, true, name)", [graph, name])
        self.page.wait_for_timeout(1000)
        self.close_dialogs()

    def close_dialogs(self) -> None:
        """Close dialogs over the graph."""
        for _ in range(3):
            if not self.page.locator("[role=dialog]:visible").count():
                return
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(500)

    def fit(self) -> None:
        """Bring the whole graph into view; return when the page is at rest."""
        view, before = "[app.canvas.ds.scale, ...app.canvas.ds.offset]", None
        for _ in range(60):
            now, (left, top, right, bottom) = self.page.evaluate(view), self.extent()
            inside = min(left, top) >= 0 and right <= self.size[0] and bottom <= self.size[1]
            if inside and now == before:
                return
            if before in (None, now):  # or a node has grown since
                self.page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
            before = now
            self.page.wait_for_timeout(1000)

    def missing(self) -> list[str]:
        """Types of nodes that this host does not know."""
        found: list[str] = self.page.evaluate(
            "app.graph._nodes.map(n => n.type).filter(t => !(t in LiteGraph.registered_node_types))"
        )
        return found

    def prompt(self) -> dict[str, Any]:
        """The graph as the page would queue it."""
        found: dict[str, Any] = self.page.evaluate("async () => (await app.graphToPrompt()).output")
        return found

    def saved(self) -> dict[str, Any]:
        """The graph as the page would save it."""
        found: dict[str, Any] = self.page.evaluate("async () => (await app.graphToPrompt()).workflow")
        return found

    def boxes(self) -> dict[str, list[float]]:
        """Box of each node with its title: x, y, width, height in the graph's pixels."""
        found: dict[str, list[float]] = self.page.evaluate(
            "Object.fromEntries(app.graph._nodes.map(n => [n.id, [n.pos[0], n.pos[1] - 30, n.size[0],"
            " Math.max(n.size[1], n.computeSize()[1]) + 30]]))"
        )
        return found

    def drawn(self) -> dict[str, list[float]]:
        """Box of each node in the newer rendering: x, y, width, height on the screen."""
        found: dict[str, list[float]] = self.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('[data-node-id]')]"
            ".map(e => [e.dataset.nodeId, e.getBoundingClientRect()])"
            ".map(([id, r]) => [id, [r.x, r.y, r.width, r.height]]))"
        )
        return found

    def set_widget(self, kind: str, name: str, value: str | float) -> None:
        """Set a widget of every node of a kind, as a user would."""
        self.page.evaluate(
            "([kind, name, value]) => { for (const n of app.graph._nodes.filter(n => n.type === kind)) {"
            " const w = n.widgets.find(w => w.name === name); w.value = value; w.callback?.(value) } }",
            [kind, name, value],
        )
        self.page.wait_for_timeout(500)

    def widgets(self, kind: str) -> dict[str, Any]:
        """Names and values of the widgets of the first node of a kind."""
        found: dict[str, Any] = self.page.evaluate(
            "kind => Object.fromEntries(app.graph._nodes.find(n => n.type === kind).widgets"
            ".filter(w => ['string', 'number', 'boolean'].includes(typeof w.value))"
            ".map(w => [w.name, w.value]))",
            kind,
        )
        return found

    def take(self, name: str) -> None:
        """Put an entry of the node library onto an empty graph, as a user does: search, click, click."""
        self.page.evaluate("app.graph.clear()")
        self.page.keyboard.press("n")
        search = self.page.locator("input[placeholder*='earch']:visible").first
        search.fill(name)
        entry = (
            "name => [...document.querySelectorAll('span, div')].filter(e => e.textContent.trim() === name)"
            ".map(e => e.getBoundingClientRect()).filter(r => r.width && r.top > 100).at(-1)"
        )
        self.page.wait_for_function(f"name => ({entry})(name)", arg=name)
        self.page.wait_for_timeout(1000)
        box = self.page.evaluate(entry, name)
        self.page.mouse.click(box["left"] + box["width"] / 2, box["top"] + 8)
        self.page.wait_for_timeout(1000)
        self.page.mouse.move(SIZE[0] / 2, SIZE[1] / 2)
        if not self.page.evaluate("app.graph._nodes.some(n => !n.flags.ghost)"):  # newer pages: it follows
            self.page.mouse.click(SIZE[0] / 2, SIZE[1] / 2)
        self.page.wait_for_function("app.graph._nodes.some(n => !n.flags.ghost)")
        self.page.keyboard.press("n")

    def run(self) -> tuple[str, dict[str, Any]]:
        """Press Run and wait for the end; return how it ended, and the last message about it."""
        self.page.evaluate(
            "kinds => { window.readEnd = null; for (const kind of kinds) comfyAPI.api.api.addEventListener("
            "kind, e => { window.readEnd ??= [kind, e.detail] }) }",
            list(ENDED),
        )
        self.page.locator(QUEUE).first.click()
        self.page.wait_for_function("window.readEnd")
        kind, detail = self.page.evaluate("window.readEnd")
        self.page.wait_for_timeout(2000)
        return kind, detail

    def outputs(self) -> dict[str, Any]:
        """Outputs that the page shows under each node: lists of files by node and kind."""
        found: dict[str, Any] = self.page.evaluate("app.nodeOutputs")
        return found

    def videos(self) -> list[dict[str, Any]]:
        """Address, width, height and seconds of every video that the page shows and can play."""
        self.page.wait_for_function("[...document.querySelectorAll('video')].some(v => v.readyState >= 1)")
        found: list[dict[str, Any]] = self.page.evaluate(
            "[...document.querySelectorAll('video')].filter(v => v.readyState >= 1).map(v => ("
            "{src: v.currentSrc, width: v.videoWidth, height: v.videoHeight, seconds: v.duration}))"
        )
        return found

    def help(self, kind: str) -> str:
        """Open the help of the first node of a kind; the text that is shown."""
        self.page.evaluate(
            "kind => { const n = app.graph._nodes.find(n => n.type === kind);"
            " app.canvas.deselectAll(); app.canvas.selectNode(n) }",
            kind,
        )
        shown = self.page.locator(".node-help-content:visible")
        self.page.wait_for_timeout(1000)
        if not shown.count():
            self.page.locator("[data-testid=info-button]").click()
        shown.first.wait_for()
        self.page.wait_for_timeout(1500)
        text: str = shown.first.inner_text()
        return text

    def fetch(self, item: dict[str, str], target: Path) -> Path:
        """Save one of the outputs."""
        query: dict[str, str | float | bool] = {
            key: item.get(key, "") for key in ("filename", "subfolder", "type")
        }
        answer = self.page.request.get(f"{self.address}/view", params=query)
        if not answer.ok:
            raise OSError(f"the host does not send {item['filename']}: HTTP {answer.status}")
        target.write_bytes(answer.body())
        return target

    def picture(self, target: Path) -> None:
        """Save a picture of the graph, without the page's panels."""
        self.page.add_style_tag(content=f"{MESSAGES} {{ display: none }}")
        self.page.wait_for_function("!document.body.innerText.includes('Current node')")  # of the last run
        left, top, right, bottom = self.extent()
        self.page.screenshot(
            path=target,
            clip={
                "x": left - _MARGIN,
                "y": top - _MARGIN,
                "width": right - left + 2 * _MARGIN,
                "height": bottom - top + 2 * _MARGIN,
            },
        )

    def extent(self) -> list[float]:
        """Where nodes and groups lie on the screen: left, top, right, bottom."""
        found: list[float] = self.page.evaluate(
            "() => { const box = (o, title) => [o.pos[0], o.pos[1] - title,"
            " o.pos[0] + o.size[0], o.pos[1] + o.size[1]];"
            " const b = [...app.graph._nodes.map(n => box(n, 30)), ...app.graph._groups.map(g => box(g, 0))];"
            " const d = app.canvas.ds, r = app.canvas.canvas.getBoundingClientRect();"
            " return [0, 1, 2, 3].map(i => (i < 2 ? Math.min : Math.max)(...b.map(b => b[i])))"
            " .map((v, i) => (v + d.offset[i % 2]) * d.scale + (i % 2 ? r.y : r.x)) }"
        )
        return found

    def close(self) -> None:
        """Close the page."""
        self.page.close()

    def _set(self, name: str, value: str | int | bool) -> None:
        request = urllib.request.Request(
            f"{self.address}/api/settings/{name}",
            json.dumps(value).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60):
            pass


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser.

    Raises:
        FileNotFoundError: there is no Chromium; the text says how to install one.
    """
    system = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=system, args=["--no-sandbox"])
        except Error as error:
            raise FileNotFoundError(
                "no Chromium to open ComfyUI's page in: apt-get install chromium, or playwright install "
                "chromium"
            ) from error
        try:
            yield browser
        finally:
            browser.close()
