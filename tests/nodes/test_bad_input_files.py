"""Unusable input for READ Talking Head to File and READ Check, which take what other nodes give as it is."""

import av
import numpy as np
import pytest

from .prompts import load, node, quick_file
from .test_bad_input import told
from .test_interrupt import written
from .test_workflows import read_video

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
AUDIO = {"kind": "noise", "seconds": 0.4, "rate": 16000, "channels": 1, "batch": 1}


@pytest.fixture(scope="module")
def silent_video(host):
    """A video without an audio stream in the input folder; its name."""
    target = host.base / "input" / "mute.mp4"
    with av.open(str(target), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for shade in range(12):
            picture = np.full((64, 64, 3), 20 * shade, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    return target.name


def from_video(name):
    """Core's nodes for a video; "12" gives its images and its audio, which is None without a sound."""
    return {"11": node("LoadVideo", file=name), "12": node("GetVideoComponents", video=["11", 0])}


def file_of(prefix, audio=None, image=None):
    prompt = quick_file(filename_prefix=f"video/{prefix}")
    if audio is not None:
        prompt["3"] = node("ReadTest_Audio", **AUDIO | audio)
    if image is not None:
        prompt["2"] = node("ReadTest_Image", **{"channels": 3, "batch": 1} | image)
    return prompt


def check(images, audio=None):
    return {
        "2": node("ReadTest_Image", **{"width": 64, "height": 64, "channels": 3} | images),
        "3": node("ReadTest_Audio", **AUDIO | (audio or {})),
        "4": node("READ_Check", images=["2", 0], audio=["3", 0], window=3),
    }


# READ Talking Head to File


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ({"seconds": 0.0}, "empty"),
        ({"batch": 2}, "expected one recording"),
        ({"kind": "nan"}, "NaN.*expected"),
        ({"rate": 100}, "100 Hz.*expected"),
    ],
)
def test_a_recording_that_no_video_can_be_made_of(host, client, audio, words):
    told(client, file_of("no_sound", audio), "READ_TalkingHeadToFile", "^audio", words)
    assert written(host, "no_sound") == []


def test_the_sound_of_a_video_that_has_none(host, client, silent_video):
    prompt = quick_file(filename_prefix="video/mute") | from_video(silent_video)
    prompt["4"]["inputs"]["audio"] = ["12", 1]
    told(client, prompt, "READ_TalkingHeadToFile", "^audio", "no sound|missing", "expected a recording")
    assert written(host, "mute") == []


@pytest.mark.parametrize(
    "image",
    [
        {"width": 1, "height": 1},
        {"width": 90, "height": 70, "channels": 4},
        {"width": 64, "height": 64, "batch": 3},
        {"width": 1000, "height": 31},
    ],
)
def test_portraits_of_any_shape_work(host, client, image):
    prefix = "shape_" + "x".join(map(str, image.values()))
    run = client.run(file_of(prefix, {}, image))
    assert run.status == "success", run.error
    (name,) = written(host, prefix)
    frames, _, _ = read_video(host.output / "video" / name)
    assert frames.shape == (10, 128, 128, 3)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_portrait_of_too_few_channels(host, client, channels):
    prompt = file_of("gray", {}, {"width": 64, "height": 64, "channels": channels})
    told(client, prompt, "READ_TalkingHeadToFile", "^image", "shape", r"expected \(H, W, 3\)")
    assert written(host, "gray") == []


@pytest.mark.parametrize("prefix", ["../outside", "/etc/read"])
def test_a_file_outside_the_output_folder(host, client, prefix):
    words = "filename_prefix is .*expected a name within the output folder"
    told(client, quick_file(filename_prefix=prefix), "READ_TalkingHeadToFile", words)
    assert not [path for path in host.base.rglob("*") if "outside" in path.name]


def test_the_name_of_the_file_is_looked_at_before_any_work(host, client):
    run = client.run(file_of("../../outside", {"seconds": 0.0}))  # the empty recording is told of later
    assert run.status == "error"
    assert "output" in run.error["exception_message"]


# READ Check


def test_a_single_frame_has_nothing_to_follow(client):
    told(client, check({"batch": 1}), "READ_Check", "^images", "1 frame", "10 or more")


@pytest.mark.parametrize("seconds", [0.4, 3.0])
def test_frames_and_sound_that_do_not_belong_together(client, seconds):
    """50 frames last 2 s."""
    found = told(client, check({"batch": 50}, {"seconds": seconds}), "READ_Check", "images", "50 frames")
    assert f"{round(25 * seconds)}" in found or f"{seconds:g}" in found
    assert "audio" in found


def test_sound_that_lasts_a_little_longer_or_shorter_is_taken(client):
    """As files give it back: AAC comes in pieces of up to 64 ms."""
    for seconds in (1.96, 2.0, 2.06):
        run = client.run(check({"batch": 50}, {"seconds": seconds}))
        assert run.status == "success", run.error


def test_frames_too_small_to_show_a_mouth(client):
    told(client, check({"batch": 12, "width": 31}, {"seconds": 0.48}), "READ_Check", "31 x 64", "32 x 32")


@pytest.mark.parametrize(("audio", "words"), [({"seconds": 0.0}, "empty"), ({"batch": 2}, "expected one")])
def test_no_sound_to_check_against(client, audio, words):
    told(client, check({"batch": 12}, audio), "READ_Check", "^audio", words)


def test_a_mute_video_cannot_be_checked_or_encoded(client, silent_video):
    prompt = from_video(silent_video)
    prompt["4"] = node("READ_Check", images=["12", 0], audio=["12", 1], window=3)
    told(client, prompt, "READ_Check", "^audio", "no sound|missing", "expected a recording")
    encode = {"start": 0.0, "duration": 0.0, "normalize_loudness": True, "audio_scale": 1.0}
    prompt = {"1": load(), **from_video(silent_video)}
    prompt["4"] = node("READ_EncodeSpeech", models=["1", 0], audio=["12", 1], silence_gate=-100.0, **encode)
    prompt["5"] = node("ReadTest_Dump", value=["4", 1])
    told(client, prompt, "READ_EncodeSpeech", "^audio", "no sound|missing", "expected a recording")
