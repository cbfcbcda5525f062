"""A host and its page in a browser, once for all tests."""

from __future__ import annotations

import pytest

from ..nodes.host import SETUP, cut_recording, find_installation, prepare_base, running


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A host's base directory with the examples and a short recording among its inputs."""
    folder = tmp_path_factory.mktemp("page")
    prepare_base(folder)
    cut_recording(folder / "input" / "short.wav", 1.0, 2.0)
    return folder


@pytest.fixture(scope="session")
def installation():
    found = find_installation()
    if found is None:
        pytest.skip(SETUP)
    return found


@pytest.fixture(scope="session")
def host(base, installation):
    """A running host with the pack in it."""
    with running(installation, base) as found:
        yield found


@pytest.fixture(scope="session")
def address(host):
    return f"http://{host.client.address}"


@pytest.fixture(scope="session")
def browser():
    """A browser without a window."""
    pytest.importorskip("playwright", reason="no playwright: pip install -e '.[browser]'")
    from comfy_page import chromium

    opened = chromium()
    try:
        found = opened.__enter__()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    yield found
    opened.__exit__(None, None, None)


@pytest.fixture(scope="module")
def page(browser, address):
    """The host's page."""
    from comfy_page import ComfyPage

    found = ComfyPage(browser, address)
    yield found
    found.close()
    assert found.errors == []


@pytest.fixture(scope="module")
def newer_page(browser, address):
    """The host's page with its newer drawing of nodes."""
    from comfy_page import ComfyPage

    found = ComfyPage(browser, address, new_nodes=True)
    if not found.page.evaluate("LiteGraph.vueNodesMode"):
        pytest.skip("this host's page has no newer drawing of nodes")
    yield found
    found.close()
    assert found.errors == []
