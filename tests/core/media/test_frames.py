"""Frames of a video at 25 per second, whatever its own rate."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from read_core.errors import MediaError
from read_core.media import VideoWriter
from read_core.media.frames import FrameReader

STEP = 6  # gray levels from one frame to the next


def numbered(count, size=(32, 48)):
    """Frames whose gray tells their number."""
    levels = torch.arange(count) * STEP / 255
    return levels[:, None, None, None].expand(count, *size, 3).contiguous()


def numbers(shown):
    """The numbers that frames show."""
    return [round(float(one.pixels().mean()) / STEP) for one in shown]


@pytest.fixture(scope="module", params=[25, 30, 50])
def constant(request, tmp_path_factory):
    """A video of 40 frames, and its rate."""
    path = tmp_path_factory.mktemp("frames") / "constant.mp4"
    with VideoWriter(path, (32, 48), fps=request.param, crf=0) as video:
        video.write(numbered(40))
    return path, request.param


def test_each_moment_shows_the_frame_that_is_due(constant):
    path, fps = constant
    shown = list(FrameReader(path).read())
    assert [one.index for one in shown] == list(range(40 * 25 // fps + (40 * 25 % fps > 0)))
    assert numbers(shown) == [int(i / 25 * fps + 0.01 * fps) for i in range(len(shown))]


def test_a_part_is_that_part_of_the_whole(constant):
    path, _ = constant
    whole = numbers(FrameReader(path).read())
    for start, stop in ((0, 3), (7, 12), (15, 16)):
        part = list(FrameReader(path).read(start, stop))
        assert [one.index for one in part] == list(range(start, stop))
        assert numbers(part) == whole[start:stop]


def test_frames_of_variable_rate_are_held_until_the_next_is_due(tmp_path):
    times = [0, 40, 50, 130, 170, 400, 440]  # milliseconds
    with av.open(str(tmp_path / "variable.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(times):
            picture = np.full((32, 48, 3), number * STEP, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown = list(FrameReader(tmp_path / "variable.mkv").read())
    expected = [max(n for n, t in enumerate(times) if t <= 40 * i + 10) for i in range(12)]
    assert numbers(shown)[:12] == expected
    assert shown[9].age == pytest.approx(0.36 - 0.17)


def test_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no video stream"):
        FrameReader(tmp_path / "sound.mp4")
