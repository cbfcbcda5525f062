"""READ Talking Head to File: which portrait, how the file is written and where it goes."""

from datetime import datetime

import av
import numpy as np
import pytest

from .prompts import node, quick_file
from .test_outputs import ran

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def with_files(seed, **inputs):
    prompt = quick_file(seed=seed)
    prompt["4"]["inputs"] |= inputs
    return prompt


def opened(host, run):
    """The file's frames, rate and seconds of picture and sound."""
    (item,) = run.files("4")
    with av.open(str(host.base / item["type"] / item["subfolder"] / item["filename"])) as file:
        video, sound = file.streams.video[0], file.streams.audio[0]
        lasts = [float(stream.duration * stream.time_base) for stream in (video, sound)]
        rate = video.average_rate
        return (
            np.stack([f.to_ndarray(format="rgb24") for f in file.decode(video=0)]).astype(float),
            rate,
            lasts,
        )


def test_a_date_and_a_widget_in_the_name(host, client):
    prompt = with_files(41, filename_prefix="video/%date:yyyy-MM-dd%_%READ_LoadModels.checkpoint%")
    before = datetime.now().astimezone()
    (item,) = ran(client, prompt).files("4")
    days = {f"{day:%Y-%m-%d}" for day in (before, datetime.now().astimezone())}
    assert item["filename"] in {f"{day}_read-tiny_00001_.mp4" for day in days}


def test_which_portrait_of_a_batch(host, client):
    found = []
    for index in (0, 1):
        prompt = with_files(42, index=index)
        prompt["2"] = node("ReadTest_Image", width=64, height=64, channels=3, batch=2)
        found.append(opened(host, ran(client, prompt))[0][0].mean())
    assert found[1] > 1.5 * found[0]  # half as bright is the first


def test_another_rate_repeats_frames_and_keeps_time(host, client):
    plain, rate, lasts = opened(host, ran(client, with_files(43)))
    assert (len(plain), rate) == (20, 25)
    frames, rate, lasts = opened(host, ran(client, with_files(43, fps="50")))
    assert (len(frames), rate) == (40, 50)
    assert lasts == pytest.approx([0.8, 0.8], abs=0.03)
    assert np.abs(frames[::2] - plain).mean() < 3
    assert np.abs(frames[1::2] - plain).mean() < 3


def test_quality_and_place(host, client):
    sizes = {}
    for crf in (10, 40):
        run = ran(client, with_files(44, crf=crf, save=False))
        (item,) = run.files("4")
        assert item["type"] == "temp"
        sizes[crf] = (host.base / "temp" / item["subfolder"] / item["filename"]).stat().st_size
    assert sizes[10] > 1.5 * sizes[40]
