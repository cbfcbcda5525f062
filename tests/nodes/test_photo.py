"""Aligned portraits, detail and paste back: what the nodes show, refuse and report."""

import json
import re
import shutil

import av
import pytest
import torch
from safetensors.torch import load_file

from read_core.eyelids.times import BlinkTimes

from .conftest import BUNDLED
from .host import run_in_host
from .prompts import changed, node, quick, quick_file
from .test_bad_input import told
from .test_outputs import ran, tensors_of, value_of, with_outputs

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
HAND = {"fit": "face", "face_x": 0.5, "face_y": 0.4, "face_size": 0.5}
PLACED = {"fit": "face", "face_x": 0.5, "face_y": 0.25, "face_size": 0.4}
FRAMES, SIDE = 13, 128


def by_hand(width=301, height=221, **inputs):
    """The quick prompt with a face in a picture of that size that nobody has to find."""
    prompt = quick()
    prompt["2"] = node("ReadTest_Image", width=width, height=height, channels=3, batch=1)
    prompt["5"]["inputs"] |= HAND
    return changed(prompt, **inputs) if inputs else prompt


def pasted(prompt, size=0, max_side=1920):
    """Decoded "8", restored "9", pasted back "10"; all written."""
    reference = ["5", 0]
    return prompt | {
        "8": node("READ_Decode", models=["1", 0], latent=["6", 0]),
        "9": node("READ_RestoreDetail", models=["1", 0], images=["8", 0], reference=reference, size=size),
        "10": node(
            "READ_PasteBack", images=["9", 0], image=["2", 0], reference=reference, max_side=max_side, index=0
        ),
        "restored": node("ReadTest_Dump", value=["9", 0], name="restored"),
        "pasted": node("ReadTest_Dump", value=["10", 0], name="pasted"),
        "mask": node("ReadTest_Dump", value=["10", 1], name="mask"),
        "original": node("ReadTest_Dump", value=["2", 0], name="original"),
    }


@pytest.mark.parametrize(("previews", "nonce"), [("none", 0), ("auto", 1)])
def test_detail_and_the_picture_around_it(client, previews, nonce):
    prompt = pasted(by_hand())
    prompt["6"]["inputs"]["seed"] = 300 + nonce  # the host keeps nothing of the other run
    run = ran(client, prompt, preview_method=previews)
    assert bool(run.data("preview")) is (previews == "auto")
    restored, picture, mask, original = (
        load_file(run.ui(name, "file"))["value"] for name in ("restored", "pasted", "mask", "original")
    )
    assert restored.shape == (FRAMES, 150, 150, 3)  # half of 301 pixels
    assert picture.shape == (FRAMES, 220, 300, 3)
    assert mask.shape == (1, 220, 300)
    outside = mask[0] == 0
    assert 0.5 < float(outside.float().mean()) < 0.9
    kept = original[0, :220, :300]
    assert all(torch.equal(frame[outside], kept[outside]) for frame in picture)
    assert all(float((frame - kept)[mask[0] == 1].abs().mean()) < 0.05 for frame in picture)
    for number in ("9", "10"):
        done = [value for value, _ in run.progress(number)]
        assert done == sorted(set(done))
        assert done[-1] == FRAMES
    assert any("300 x 220 pixels; width and height are even" in text for text in run.texts)


def test_black_frames_are_black_where_the_mask_is_one(client):
    prompt = pasted(by_hand(303, 223))
    prompt["11"] = node("ReadTest_Image", width=64, height=64, channels=3, batch=2, brightness=0.0)
    prompt["10"]["inputs"]["images"] = ["11", 0]
    kept = {number: prompt[number] for number in ("1", "2", "5", "10", "11", "pasted", "mask", "original")}
    run = ran(client, kept)
    picture, mask, original = (
        load_file(run.ui(name, "file"))["value"] for name in ("pasted", "mask", "original")
    )
    for frame in picture:
        torch.testing.assert_close(frame, original[0, :222, :302] * (1 - mask[0, ..., None]))
    assert 0.1 < float((mask == 1).float().mean()) < 0.5


def test_the_reference_shows_its_crop_and_says_where_it_is(host, client):
    prompt = by_hand(320, 240)
    run = ran(client, with_outputs({number: prompt[number] for number in ("1", "2", "5")}, "5", 6))
    assert [value_of(run, index) for index in (2, 3, 4, 5)] == [80, 48, 160, 160]
    assert tensors_of(run, 1)["value"].shape == (1, SIDE, SIDE, 3)
    (preview,) = run.files("5")
    assert preview["type"] == "temp"
    assert any("face_x 0.500, face_y 0.400, face_size 0.500" in text for text in run.texts)


def test_sizes_that_are_asked_for(client):
    run = ran(client, pasted(by_hand(), size=256, max_side=200))
    assert load_file(run.ui("restored", "file"))["value"].shape == (FRAMES, 256, 256, 3)
    assert load_file(run.ui("pasted", "file"))["value"].shape == (FRAMES, 146, 200, 3)


def test_without_a_face_the_middle_is_taken_and_the_node_says_so(client):
    prompt = quick(fit="face")
    prompt["2"] = node("ReadTest_Image", width=200, height=100, channels=3, batch=1)
    run = ran(client, with_outputs({number: prompt[number] for number in ("1", "2", "5")}, "5", 6, first=1))
    assert [value_of(run, index) for index in (2, 3, 4, 5)] == [50, 0, 100, 100]
    assert any(text.startswith("Warning: no face was found") for text in run.texts)


def test_a_face_that_is_not_there(client):
    prompt = quick(fit="face")
    prompt["2"] = node("ReadTest_Image", width=200, height=100, channels=3, batch=1)
    prompt["5"]["inputs"]["face_index"] = 2
    told(client, prompt, "READ_EncodeReference", "image", "index is 2", "faces found: 0")


def test_another_picture_than_the_reference_s(client):
    prompt = pasted(by_hand())
    prompt["11"] = node("ReadTest_Image", width=100, height=100, channels=3, batch=1)
    prompt["10"]["inputs"]["image"] = ["11", 0]
    told(client, prompt, "READ_PasteBack", "image", "100 x 100", "301 x 221")


def test_blinks_come_at_the_times_of_their_seed_and_can_be_switched_off(client):
    frames = 45
    closing = BlinkTimes(0).closure(0, frames) > 0
    assert 3 < int(closing.sum()) < 15
    shown = {}
    for blinks in ("auto", "off"):
        prompt = pasted(by_hand(start=0.0, duration=frames / 25))
        prompt["9"]["inputs"] |= {"blinks": blinks, "blink_seed": 0}
        shown[blinks] = load_file(ran(client, prompt).ui("restored", "file"))["value"]
    changed_frames = (shown["auto"] - shown["off"]).abs().amax((1, 2, 3)) > 0
    assert torch.equal(changed_frames, closing)


def test_the_head_moves_by_the_seed_and_keeps_still_when_asked(client):
    shown = {}
    for name, inputs in (("0", {}), ("1", {"blink_seed": 1}), ("off", {"head_motion": "off"})):
        prompt = pasted(by_hand(start=0.0, duration=1.8))
        prompt["9"]["inputs"] |= {"blinks": "off", **inputs}
        shown[name] = load_file(ran(client, prompt).ui("restored", "file"))["value"]
    for seed in ("0", "1"):
        changed = (shown[seed] - shown["off"]).abs().amax((1, 2, 3))
        assert changed[0] == 0
        assert changed[10:].min() > 0
    assert not torch.equal(shown["0"], shown["1"])


def test_head_motion_without_the_places_of_the_eyes(client):
    prompt = quick_file()
    prompt["4"]["inputs"]["head_motion"] = "on"
    told(client, prompt, "READ_TalkingHeadToFile", "head cannot be moved", "fit face")


def test_blinks_without_the_places_of_the_eyes(client):
    prompt = quick_file()
    prompt["4"]["inputs"]["blinks"] = "on"
    told(client, prompt, "READ_TalkingHeadToFile", "blinks cannot be added", "fit face")


def test_frames_of_another_size(client):
    prompt = pasted(by_hand())
    prompt["9"]["inputs"]["images"] = ["2", 0]
    told(client, prompt, "READ_RestoreDetail", "expected those of the reference")


@pytest.mark.parametrize(
    ("inputs", "size"),
    [
        ({}, (128, 128)),
        ({"paste_back": "on"}, (100, 200)),
        ({"detail": "on"}, (128, 128)),
        ({"detail": "on", "output_size": 256}, (256, 256)),
        (PLACED, (100, 200)),
        ({**PLACED, "paste_back": "off", "detail": "off"}, (128, 128)),
        ({**PLACED, "paste_back": "off", "detail": "off", "blinks": "off"}, (128, 128)),
        ({**PLACED, "paste_back": "off", "detail": "off", "blinks": "off", "head_motion": "off"}, (128, 128)),
    ],
)
def test_the_file_has_the_picture_or_the_face_alone(host, client, inputs, size):
    prompt = quick_file()
    prompt["2"] = node("ReadTest_Image", width=200, height=100, channels=3, batch=1)
    prompt["4"]["inputs"] |= inputs
    run = ran(client, prompt)
    (item,) = run.files("4")
    with av.open(str(host.output / item["subfolder"] / item["filename"])) as file:
        video = file.streams.video[0]
        assert (video.height, video.width) == size
        assert video.frames == 20
    done = run.progress("4")
    assert done[-1][0] == done[-1][1]
    lively = inputs.get("fit") == "face" and {inputs.get("blinks"), inputs.get("head_motion")} != {"off"}
    finished = size != (SIDE, SIDE) or inputs.get("detail") == "on" or lively
    assert (done[-1][1] > 20) == finished  # frames are counted too


def test_what_the_file_node_writes_is_what_the_nodes_paste(host, client):
    """The same face, detail and picture; what differs is the compression."""
    heard = {"start": 0.0, "duration": 0.0, "seed": 3}
    prompt = pasted(by_hand(300, 220, audio="short.wav", **heard))
    prompt["9"]["inputs"]["blink_seed"] = 3
    expected = load_file(ran(client, prompt).ui("pasted", "file"))["value"]
    short = quick_file(seed=3)
    short["2"] = prompt["2"]
    short["4"]["inputs"] |= HAND | {"detail": "on"}
    (item,) = ran(client, short).files("4")
    with av.open(str(host.output / item["subfolder"] / item["filename"])) as file:
        frames = [torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    found = torch.stack(frames).float() / 255
    assert found.shape == expected.shape == (20, 220, 300, 3)
    assert float((found - expected).abs().mean()) < 0.02


def test_an_interrupt_ends_the_detail(client):
    prompt = pasted(by_hand(), size=1024)
    sent: list[str] = []

    def watch(kind, data):
        if kind == "progress" and data["node"] == "9" and not sent:
            sent.append(kind)
            client.interrupt()

    run = client.run(prompt, watch)
    assert run.status == "interrupted"
    assert "10" not in run.executed


@pytest.mark.parametrize("name", ["restore", "paste", "decode"])
def test_what_memory_does_not_hold_is_refused_before_the_work(room, name):
    assert "GB are free" in room[name]
    assert "READ Talking Head to File" in room[name]


def test_tiles_of_an_aligned_vae_are_refused_when_memory_has_run_out(room):
    assert "cannot work in tiles; use READ Temporal VAE Decode" in room["tiles"]


@pytest.fixture(scope="module")
def aligned(host):
    """read-tiny as if it had been trained on aligned faces; its name."""
    folder = host.base / "models" / "read" / "aligned"
    shutil.copytree(BUNDLED, folder)
    index = json.loads((folder / "model_index.json").read_text())
    layout = {"eye_distance": 0.34, "eyes": 0.4, "mouth": 0.72}
    (folder / "model_index.json").write_text(json.dumps(index | {"format": 2, "face": layout}))
    return "aligned"


def test_a_graph_that_says_crop_keeps_it_and_is_warned(client, aligned):
    prompt = quick(checkpoint=aligned)
    prompt["2"] = node("ReadTest_Image", width=200, height=100, channels=3, batch=1)
    run = ran(client, with_outputs({number: prompt[number] for number in ("1", "2", "5")}, "5", 6, first=1))
    assert [value_of(run, index) for index in (2, 3, 4, 5)] == [50, 0, 100, 100]
    assert any(re.search(r"^Warning: the fit is crop, but .* aligned faces", text) for text in run.texts)


def test_its_own_fit_is_face_and_brings_detail_and_the_picture(host, client, aligned):
    prompt = quick_file(checkpoint=aligned, fit="checkpoint default")
    prompt["2"] = node("ReadTest_Image", width=300, height=200, channels=3, batch=1)
    prompt["4"]["inputs"] |= {"face_y": 0.3, "face_size": 0.5}
    run = ran(client, prompt)
    assert not any(text.startswith("Warning") and "face" in text for text in run.texts)
    (item,) = run.files("4")
    with av.open(str(host.output / item["subfolder"] / item["filename"])) as file:
        assert (file.streams.video[0].height, file.streams.video[0].width) == (200, 300)


@pytest.fixture(scope="module")
def room(installation):
    return json.loads(run_in_host(installation, "little_room.py"))
