"""``read-core generate`` with good input: the video, its size, what is printed and warned of."""

from __future__ import annotations

import os
import subprocess
import sys

import av
import numpy as np
import pytest
import torch

from read_core.cli.main import main

from .arguments import FRAMES, command, names


def test_generate_makes_a_video_and_tells_what_it_took(inputs, tmp_path, tiny_checkpoint, capsys):
    assert main(command(inputs, tmp_path / "a.mp4", tiny_checkpoint)) == 0
    assert names(tmp_path) == ["a.mp4"]
    printed = capsys.readouterr()
    for words in (
        f"{FRAMES} frames (1.20 s)",
        "GB of memory for the models and the work",
        "sampling takes about",
        "1.20 s of video",
        "time:",
        "real-time factor:",
        "peak:",
    ):
        assert words in printed.out
    assert (
        printed.out.index("for the models") < printed.out.index("sampling takes") < printed.out.index("time:")
    )
    assert "4/4" in printed.err  # two clips of two steps


def test_the_same_seed_gives_the_same_file(inputs, tmp_path, tiny_checkpoint):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert main(command(inputs, tmp_path / f"{name}.mp4", tiny_checkpoint, seed=seed)) == 0
    frames = {}
    for name in "abc":
        with av.open(str(tmp_path / f"{name}.mp4")) as container:
            frames[name] = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    np.testing.assert_array_equal(frames["a"], frames["b"])
    assert np.abs(frames["a"].astype(int) - frames["c"]).max() > 2


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, (64, 96)),
        ({"output-size": 200}, (134, 200)),
        ({"fit": "face", "face": "0.5,0.4,0.4"}, (80, 100)),
        ({"fit": "face", "face": "0.5,0.4,0.4", "crop-only": True}, (64, 96)),
        ({"fit": "face", "face": "0.5,0.4,0.4", "output-size": 64}, (52, 64)),
        ({"paste-back": True}, (80, 100)),
    ],
)
def test_face_paste_back_and_output_size(inputs, tmp_path, tiny_checkpoint, changes, size):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, **changes)
    assert main([*words, "--no-detail"]) == 0
    with av.open(str(tmp_path / "a.mp4")) as container:
        video = container.streams.video[0]
        assert (video.height, video.width) == size
        assert video.frames == FRAMES


def test_silence_and_another_window_are_warnings_of_one_line(inputs, tmp_path, tiny_checkpoint, capsys):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, speech=inputs / "silent.wav", window=5)
    assert main(words) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(lines) == 2
    assert lines[0].endswith("silent.wav is silent: the mouth will stay closed")
    assert "trained for 4" in lines[1]


def test_the_bar_is_seen_on_a_terminal_that_does_not_tell_its_width():
    code = "from read_core.cli.generate import _Display\nwith _Display(False) as shown: shown.stepped(1, 2)"
    ours, theirs = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, env=environment, check=True
    )
    assert b"1/2" in os.read(ours, 65536)


@pytest.mark.gpu
def test_generate_on_a_gpu(inputs, tmp_path, tiny_checkpoint, capsys):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert main(command(inputs, tmp_path / "a.mp4", tiny_checkpoint, device="cuda")) == 0
    assert "GPU memory" in capsys.readouterr().out
