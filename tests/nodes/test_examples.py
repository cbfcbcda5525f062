"""READ Example Inputs: what it gives, and that graphs with it need no file among the host's inputs."""

import av
import pytest
import torch
from safetensors.torch import load_file

from .host import prepare_base, running
from .prompts import node, number_of, shipped

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
LOADED = {"drawn": ("portrait.png", [1, 512, 512, 3]), "photo": ("photo.jpg", [1, 640, 512, 3])}


@pytest.mark.parametrize("portrait", LOADED)
def test_it_gives_what_core_loads_from_the_same_files(client, portrait):
    file, shape = LOADED[portrait]
    prompt = {
        "1": node("READ_ExampleInputs", portrait=portrait),
        "2": node("LoadImage", image=file),
        "3": node("LoadAudio", audio="speech.flac"),
    }
    outputs = {"own image": ["1", 0], "own sound": ["1", 1], "image": ["2", 0], "sound": ["3", 0]}
    dumps = {what: node("ReadTest_Dump", value=link, name=what) for what, link in outputs.items()}
    run = client.run(prompt | dumps)
    assert run.status == "success", run.error
    tensors = {what: load_file(run.ui(what, "file")) for what in outputs}
    (image,), (loaded,) = tensors["own image"].values(), tensors["image"].values()
    assert list(image.shape) == shape
    if portrait == "drawn":
        torch.testing.assert_close(image, loaded, rtol=0, atol=1e-6)
    else:  # decoders of JPEG differ by a few levels
        assert float((image - loaded).abs().mean()) < 1 / 255
    (sound,), (heard,) = tensors["own sound"].values(), tensors["sound"].values()
    torch.testing.assert_close(sound, heard, rtol=0, atol=1e-4)
    assert run.ui("own sound", "plain") == run.ui("sound", "plain")


def test_one_press_on_a_fresh_host_makes_a_video(installation, tmp_path):
    prepare_base(tmp_path)
    for file in (tmp_path / "input").iterdir():
        file.unlink()
    with running(installation, tmp_path) as host:
        prompt = shipped("READ_long_audio", duration=0.8, steps=1)
        run = host.client.run(prompt)
        assert run.status == "success", run.error
        (item,) = run.files(number_of(prompt, "READ_TalkingHeadToFile"))
        with av.open(str(host.output / item["subfolder"] / item["filename"])) as file:
            assert file.streams.video[0].frames == 20
    assert [path for path in (tmp_path / "input").rglob("*") if path.is_file()] == []
