"""Unusable input of each kind: one message naming node, widget and cure; and the host lives on."""

import json
import re
import shutil

import pytest
import torch

from .client import RefusedError
from .conftest import BUNDLED
from .prompts import node, quick

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _works_afterwards(host):
    yield
    run = host.client.run(quick(seed=99))
    assert run.status == "success", run.error


def told(client, prompt, node_type, *words):
    """Queue a prompt that must fail; its message comes from this node and contains these words."""
    run = client.run(prompt)
    assert run.status == "error"
    assert run.error["node_type"] == node_type
    assert re.fullmatch(r"(read_core\.)?\w+", run.error["exception_type"])  # it stands before the sentence
    message = run.error["exception_message"].strip()
    assert "Traceback" not in message
    for word in words:
        assert re.search(word, message), message
    return message


def refused(client, prompt, number, widget):
    """Queue a prompt that must not be accepted; what the host says of this widget."""
    with pytest.raises(RefusedError) as error:
        client.queue(prompt)
    assert set(error.value.errors) == {number}
    (found,) = error.value.errors[number]["errors"]
    assert found["extra_info"]["input_name"] == widget
    return found


def told_or_refused(client, prompt, widget):
    """What some hosts check before they run a prompt, and others leave to the node."""
    try:
        prompt_id = client.queue(prompt)
    except RefusedError as refusal:
        errors = refusal.errors
    else:
        error = client.wait(prompt_id).error
        assert re.search(r"expected|missing", error["exception_message"]), error
        errors = {error["node_id"]: error["exception_message"]}
    assert set(errors) == {"6"}
    assert widget in json.dumps(errors["6"])


def with_audio(kind, seconds=1.0, rate=16000, channels=1, batch=1):
    prompt = quick(start=0.0, duration=0.0)
    prompt["3"] = node(
        "ReadTest_Audio", kind=kind, seconds=seconds, rate=rate, channels=channels, batch=batch
    )
    return prompt


def with_image(width, height, channels=3, batch=1, **inputs):
    prompt = quick(**inputs)
    prompt["2"] = node("ReadTest_Image", width=width, height=height, channels=channels, batch=batch)
    return prompt


# Recordings


def test_silence_works_and_is_remarked_upon(client):
    run = client.run(with_audio("silence", 0.5))
    assert run.status == "success", run.error
    assert any("silent" in text for text in run.texts)


@pytest.mark.parametrize("seconds", [0.0, 1e-4])
def test_hardly_any_audio(client, seconds):
    prompt = with_audio("noise", seconds, rate=8000)
    if seconds:
        assert client.run(prompt).ui("7", "plain")["read_num_frames"] == 1
    else:
        told(client, prompt, "READ_EncodeSpeech", "audio", "is empty", "expected one")


def test_audio_with_numbers_that_are_none(client):
    told(client, with_audio("nan"), "READ_EncodeSpeech", "audio", "NaN|nan|finite")


def test_a_batch_of_recordings(client):
    told(client, with_audio("noise", 1.0, batch=2), "READ_EncodeSpeech", "audio", "expected one recording")


@pytest.mark.parametrize(("rate", "channels"), [(96000, 2), (8000, 1), (44100, 6)])
def test_any_rate_and_channels_work(client, rate, channels):
    run = client.run(with_audio("noise", 0.5, rate, channels))
    assert run.status == "success", run.error
    assert run.ui("7", "plain")["read_num_frames"] == 13


def test_a_start_behind_the_end(client):
    told(client, quick(start=500.0), "READ_EncodeSpeech", "start is 500", "lasts 9.00 s", "expected a start")


# Portraits


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_portrait_of_another_shape_and_with_transparency(client, channels, fit):
    run = client.run(with_image(300, 101, channels, fit=fit))
    assert run.status == "success", run.error


def test_a_portrait_of_one_pixel(client):
    run = client.run(with_image(1, 1))
    assert run.status == "success", run.error


def test_a_batch_of_portraits_and_which_of_them(client):
    digests = []
    for index in (0, 1):
        run = client.run(with_image(64, 64, batch=2, index=index))
        assert run.status == "success", run.error
        digests.append(run.ui("7", "digest"))
    assert digests[0] != digests[1]
    told(
        client,
        with_image(64, 64, batch=2, index=2),
        "READ_EncodeReference",
        "index is 2",
        "2 images",
        "expected 0 to 1",
    )


# Checkpoints


@pytest.fixture
def broken(host):
    """Makes a copy of read-tiny under models/read that a function then breaks."""
    made = []

    def make(name, spoil):
        folder = host.base / "models" / "read" / name
        shutil.copytree(BUNDLED, folder)
        made.append(folder)
        spoil(folder)
        return quick(checkpoint=name)

    yield make
    for folder in made:
        shutil.rmtree(folder)


def weights(folder, part):
    (file,) = (folder / part).glob("*.safetensors")
    return file


def test_a_checkpoint_that_is_not_there(client):
    found = refused(client, quick(checkpoint="absent"), "1", "checkpoint")
    assert "absent" in found["details"]
    assert "read-tiny" in found["details"]


def test_a_checkpoint_that_lacks_a_part(client, broken):
    prompt = broken("lacking", lambda folder: shutil.rmtree(folder / "vae"))
    told(client, prompt, "READ_LoadModels", "checkpoint", "lacking/vae", "missing|expected")


def test_a_truncated_checkpoint(client, broken):
    def cut(folder):
        file = weights(folder, "transformer")
        file.write_bytes(file.read_bytes()[:-1000])

    told(
        client,
        broken("cut", cut),
        "READ_LoadModels",
        "checkpoint",
        "cut/transformer",
        "truncated|damaged|bytes",
    )


def test_somebody_else_s_checkpoint(client, broken):
    def rename(folder):
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "LTXPipeline"}))

    told(client, broken("foreign", rename), "READ_LoadModels", "checkpoint", "LTXPipeline", "ReadPipeline")


def test_a_pickled_checkpoint_is_not_opened(host, client, broken):
    class Bomb:
        def __reduce__(self):
            return (open, (str(host.base / "exploded"), "w"))

    def pickle(folder):
        weights(folder, "speech_ae").unlink()
        torch.save(Bomb(), folder / "speech_ae" / "diffusion_pytorch_model.bin")

    told(client, broken("pickled", pickle), "READ_LoadModels", "checkpoint", "speech_ae", "safetensors")
    assert not (host.base / "exploded").exists()


def test_attention_that_is_not_installed(client):
    told(client, quick(attention="sage"), "READ_LoadModels", "attention 'sage'", "choose auto")


# Widgets out of range, which only the API can send


@pytest.mark.parametrize(
    ("number", "widget", "value"),
    [
        ("4", "start", -1.0),
        ("4", "duration", -0.5),
        ("4", "audio_scale", 11.0),
        ("4", "silence_gate", 5.0),
        ("5", "width", 4096),
        ("5", "height", -32),
        ("5", "fit", "melt"),
        ("5", "index", -1),
        ("5", "face_index", -1),
        ("5", "face_x", 11.0),
        ("5", "face_size", -0.1),
        ("6", "seed", -1),
        ("6", "seed", 2**64),
        ("6", "steps", 101),
        ("6", "steps", -1),
        ("6", "window", 65),
        ("6", "order", "random"),
        ("1", "dtype", "int8"),
        ("1", "lora_strength", 11.0),
    ],
)
def test_out_of_range(client, number, widget, value):
    prompt = quick()
    prompt[number]["inputs"][widget] = value
    found = refused(client, prompt, number, widget)
    assert str(value) in found["details"] or str(value) in str(found["extra_info"])


@pytest.mark.parametrize(
    ("number", "inputs", "words"),
    [
        ("5", {"width": 100}, ("width", "100", "multiple")),
        ("5", {"height": 32}, ("height", "32", "64")),
        (
            "5",
            {"fit": "face", "face_size": 0.3, "face_y": 1.5},
            ("image", "outside the picture", "up to 1.00"),
        ),
        ("6", {"window": 2}, ("window", "2", "3 to 64")),
    ],
)
def test_what_only_the_node_can_see(client, number, inputs, words):
    prompt = quick()
    prompt[number]["inputs"] |= inputs
    kind = prompt[number]["class_type"]
    told(client, prompt, kind, *words)


@pytest.mark.parametrize(
    ("inputs", "widget"),
    [
        ({"guidance": "split", "guidance.alpha": 21.0, "guidance.beta": 5.0}, "alpha"),
        ({"guidance": "split", "guidance.alpha": 2.0, "guidance.beta": -1.0}, "beta"),
        ({"guidance": "joint", "guidance.alpha": -11.0}, "alpha"),
        ({"guidance": "split", "guidance.alpha": 2.0}, "beta"),
        ({"guidance": "joint"}, "alpha"),
        ({"guidance": "both"}, "guidance"),
    ],
)
def test_guidance_out_of_range_or_incomplete(client, inputs, widget):
    prompt = quick()
    prompt["6"]["inputs"] |= inputs
    told_or_refused(client, prompt, widget)


def test_latents_of_another_kind(client):
    prompt = quick()
    prompt["6"] = node("EmptyLatentImage", width=64, height=64, batch_size=1)
    prompt["7"] = node("READ_Decode", models=["1", 0], latent=["6", 0])
    prompt["8"] = node("ReadTest_Dump", value=["7", 0])
    told(client, prompt, "READ_Decode", "latent", "expected")
