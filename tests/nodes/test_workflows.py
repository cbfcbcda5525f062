"""Every shipped prompt, queued through the API, to a finished video."""

import av
import pytest
import torch

from read_core.evaluation.metrics.face import read_face
from read_core.evaluation.metrics.sync import correlation
from read_core.evaluation.video_check import frame_loudness

from .client import RefusedError
from .prompts import changed, node, number_of, shipped

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
SECONDS = 2.0
FRAMES = 50
START = 1.0
SIDE = 128
PICTURE = 512  # pixels of the example portrait


def read_video(path):
    """(F, H, W, 3) 0..1, the container's tags, and the streams by type."""
    with av.open(str(path)) as file:
        tags = {key.lower(): value for key, value in file.metadata.items()}
        video, sound = file.streams.video[0], file.streams.audio[0]
        about = {
            "codec": video.codec_context.name,
            "rate": video.average_rate,
            "seconds": float(video.duration * video.time_base),
            "sound": sound.codec_context.name,
            "sound_seconds": float(sound.duration * sound.time_base),
        }
        frames = [torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in file.decode(video)]
    return torch.stack(frames).float() / 255, tags, about


def check_video(frames, about, size=(SIDE, SIDE)):
    assert frames.shape == (FRAMES, *size, 3)
    assert (about["codec"], about["sound"]) == ("h264", "aac")
    assert about["rate"] == 25
    assert about["seconds"] == pytest.approx(SECONDS, abs=1e-3)
    assert about["sound_seconds"] == pytest.approx(SECONDS, abs=0.07)  # a frame of AAC is 64 ms


def check_mouth(frames):
    """The mouth opens and shuts, and is wider open where the recording is louder."""
    from read_core.media import read_audio

    from .host import ROOT

    face = read_face(frames)
    assert face is not None
    opening = face.mouth[:, 0]
    samples = read_audio(ROOT / "assets" / "speech.flac")
    part = samples[round(START * 16000) : round((START + SECONDS) * 16000)]
    follows = correlation(opening, frame_loudness(part[None], 16000, len(frames)))
    assert opening.max() - opening.min() > 0.1
    assert follows > 0.2


def saved(host, run, number):
    (item,) = run.files(number)
    return host.output / item["subfolder"] / item["filename"]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("READ_talking_head", (640, PICTURE)),
        ("READ_check", (SIDE, SIDE)),
        ("READ_compare_guidance", (SIDE, 2 * SIDE + 8)),
        ("READ_photo_compare", (640, 2 * PICTURE + 8)),
    ],
)
def test_to_a_video(host, client, name, size):
    prompt = shipped(name, start=START, duration=SECONDS)
    run = client.run(prompt)
    assert run.status == "success", run.error
    frames, _, about = read_video(saved(host, run, number_of(prompt, "SaveVideo")))
    check_video(frames, about, size)
    if name != "READ_photo_compare":  # the reader knows drawn mouths
        check_mouth(frames[:, :, -size[0] :])  # of two, the right one
    if name == "READ_check":
        (plot,) = run.files(number_of(prompt, "READ_Check"))
        assert (host.base / plot["type"] / plot["subfolder"] / plot["filename"]).is_file()


def test_long_audio_to_a_video_that_says_what_it_is(host, client):
    prompt = shipped("READ_long_audio", start=START, duration=SECONDS, seed=5)
    run = client.run(prompt)
    assert run.status == "success", run.error
    frames, tags, about = read_video(saved(host, run, number_of(prompt, "READ_TalkingHeadToFile")))
    check_video(frames, about, (640, PICTURE))
    check_mouth(frames)
    for said in ("Synthesized", "read-tiny", "seed 5"):
        assert said in tags["comment"]
    assert "READ_TalkingHeadToFile" in tags["prompt"]


def test_text_and_lora_lack_nothing_but_the_text_encoder(client, lora):
    prompt = shipped("READ_text_and_lora", start=START, duration=SECONDS, lora=lora)
    with pytest.raises(RefusedError) as refused:
        client.queue(prompt)
    assert set(refused.value.errors) == {number_of(prompt, "CLIPLoader")}


def test_text_and_lora_to_a_video(host, client, lora, stored_prompt):
    prompt = shipped("READ_text_and_lora", start=START, duration=SECONDS, lora=lora)
    text, video = number_of(prompt, "CLIPTextEncode"), number_of(prompt, "SaveVideo")
    del prompt[number_of(prompt, "CLIPLoader")]
    prompt[text] = node("ReadTest_Prompt", file=stored_prompt)
    run = client.run(prompt)
    assert run.status == "success", run.error
    frames, _, about = read_video(saved(host, run, video))
    check_video(frames, about)
    check_mouth(frames)
    without = client.run(changed(prompt, lora="none"))
    plain, _, _ = read_video(saved(host, without, video))
    assert not torch.equal(frames, plain)
