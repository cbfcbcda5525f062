"""What arrives over the websocket while a prompt runs."""

import io

import pytest
from PIL import Image

from .prompts import quick, quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def test_progress_per_step_and_clip(client):
    """13 latents after the portrait's, two per clip and one shared: clips of 2 + 11 x 1."""
    run = client.run(quick(seed=21, steps=3, duration=0.9))
    assert run.status == "success", run.error
    values = run.progress("6")
    total = values[-1][1]
    assert total % 3 == 0
    assert total > 3
    assert values == [(done, total) for done in range(1, total + 1)]
    assert run.progress("4")


def test_it_says_what_to_expect_and_what_it_was(client):
    run = client.run(quick(seed=22))
    said = "\n".join(run.texts)
    assert "sampling takes about" in said
    assert "GB" in said
    assert "real-time factor" in said


def test_the_small_checkpoint_is_called_one(client):
    client.post("/free", {"unload_models": True, "free_memory": True})
    run = client.run(quick(seed=23))
    assert any("demonstration" in text and "not photographs" in text for text in run.texts)


def test_previews_come_where_they_are_switched_on(client):
    prompt = quick(seed=24, steps=2, duration=0.9)
    pictures = client.run(prompt, preview_method="latent2rgb").data("preview")
    clips = len(client.run(quick(seed=25, steps=2, duration=0.9)).progress("6")) // 2
    assert len(pictures) == clips
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
