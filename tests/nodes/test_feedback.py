"""What arrives over the websocket while a prompt runs."""

import io
import re

import pytest
from PIL import Image

from .prompts import quick, quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def clips_of(run):
    """How many clips the node has said there are."""
    (found,) = [found for text in run.texts if (found := re.search(r"frames in (\d+) clips", text))]
    return int(found[1])


def test_progress_per_step_and_clip(client):
    """Newer hosts leave out what comes too fast, but never the first and the last."""
    run = client.run(quick(seed=21, steps=3, duration=0.9))
    assert run.status == "success", run.error
    clips, values = clips_of(run), run.progress("6")
    assert clips > 1
    assert {total for _, total in values} == {3 * clips}
    done = [value for value, _ in values]
    assert done == sorted(set(done))
    assert (done[0], done[-1]) == (1, 3 * clips)
    assert run.progress("4")


def test_it_says_what_to_expect_and_what_it_was(client):
    run = client.run(quick(seed=22))
    said = "\n".join(run.texts)
    assert "sampling takes about" in said
    assert "GB" in said
    assert "real-time factor" in said


def test_the_small_checkpoint_is_called_one(client):
    client.free(unload_models=True, free_memory=True)
    run = client.run(quick(seed=23))
    assert any("demonstration" in text and "not photographs" in text for text in run.texts)


def test_previews_come_where_they_are_switched_on(client):
    prompt = quick(seed=24, steps=2, duration=0.9)
    run = client.run(prompt, preview_method="latent2rgb")
    pictures = run.data("preview")
    assert len(pictures) == clips_of(run) > 1
    image = Image.open(io.BytesIO(pictures[-1]))
    assert image.format == "JPEG"
    assert image.width == image.height > 64
    low, high = image.convert("L").getextrema()
    assert high - low > 50  # a face, not a grey square


def test_no_previews_where_they_are_off(client):
    assert not client.run(quick(seed=26), preview_method="none").data("preview")


def test_previews_and_progress_of_the_node_that_writes_a_file(client):
    run = client.run(quick_file(seed=27), preview_method="auto")
    assert run.status == "success", run.error
    assert run.data("preview")
    steps = run.progress("4")
    assert len(steps) > 2
    assert steps[-1][0] == steps[-1][1]
