"""What arrives over the websocket while a prompt runs."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from .prompts import node, quick, quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def clips_of(run):
    """How many clips the node has said there are."""
    (found,) = [found for text in run.texts if (found := re.search(r"frames? in (\d+) clip", text))]
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
    assert re.search(r"Sampling takes (about|less than)", said)
    assert "GB" in said
    assert "s of sampling per second of video" in said


def test_the_small_checkpoint_is_called_one(client):
    client.free(unload_models=True, free_memory=True)
    run = client.run(quick(seed=23))
    assert any("read-tiny, 128 x 128. A demonstration." in text for text in run.texts)


def test_previews_show_the_last_frame_of_each_clip(client):
    """25 frames fill two clips, of two generated latents and of one more; shown is the last of each."""
    prompt = quick(seed=24, duration=1.0, steps=4, guidance="checkpoint default")
    prompt["8"] = node("READ_Decode", models=["1", 0], latent=["6", 0])
    prompt["9"] = node("ReadTest_Dump", value=["8", 0])
    run = client.run(prompt, preview_method="latent2rgb")
    assert run.status == "success", run.error
    frames = load_file(run.ui("9", "file"))["value"]
    assert (len(frames), clips_of(run)) == (25, 2)
    pictures = [Image.open(io.BytesIO(data)) for data in run.data("preview")]
    assert [(picture.format, picture.size) for picture in pictures] == [("JPEG", (512, 512))] * 2
    for picture, last in zip(pictures, (16, 24), strict=True):
        small = picture.convert("RGB").resize((128, 128), Image.Resampling.BOX)  # the host enlarges it
        shown = torch.from_numpy(np.asarray(small, np.float32) / 255)
        away = (shown - frames).abs().mean(dim=(1, 2, 3))  # of each frame
        assert away[last] < 0.06  # the last latents alone
        assert away[last] < away[0]
        assert away[last - 7 : last + 1].mean() < away[last - 15 : last - 7].mean()
        assert away.argmin() in range(last - 8, last + 1)


def test_no_previews_where_they_are_off(client):
    assert not client.run(quick(seed=26), preview_method="none").data("preview")


def test_previews_and_progress_of_the_node_that_writes_a_file(client):
    run = client.run(quick_file(seed=27), preview_method="auto")
    assert run.status == "success", run.error
    assert run.data("preview")
    steps = run.progress("4")
    assert len(steps) > 2
    assert steps[-1][0] == steps[-1][1]


def test_the_preview_of_a_node_with_output_ends_before_the_output_comes(client):
    """The page takes a preview away where it sees the node begin: here once more, after the last preview."""
    run = client.run(quick_file(seed=28), preview_method="auto")
    assert run.status == "success", run.error
    kinds = [kind for kind, _ in run.messages]
    last = len(kinds) - 1 - kinds[::-1].index("preview")
    shown = next(
        n for n, (kind, data) in enumerate(run.messages) if kind == "executed" and data["node"] == "4"
    )
    states = [data["nodes"].get("4") for kind, data in run.messages[last:shown] if kind == "progress_state"]
    gone = states.index(None)
    assert states[gone + 1]["state"] == "running"


def test_where_previews_are_off_there_is_none_to_end(client):
    run = client.run(quick_file(seed=29), preview_method="none")
    assert run.status == "success", run.error
    states = [data["nodes"].get("4") for data in run.data("progress_state")]
    begun = next(index for index, state in enumerate(states) if state is not None)
    assert None not in states[begun:]
