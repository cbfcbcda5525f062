"""One video by two processes of torchrun: the file of one process, whether they share clips or each clip."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from read_core.cli.main import main

ROOT = Path(__file__).parents[3]


def frames_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def write_noise(path: Path, seconds: float) -> Path:
    values = np.random.default_rng(0).integers(-9000, 9000, int(seconds * 16_000), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        file.writeframes(values.tobytes())
    return path


@pytest.mark.slow
def test_two_processes_write_the_video_of_one(tmp_path, tiny_checkpoint):
    speech = write_noise(tmp_path / "speech.wav", seconds=1.6)
    asked = ["generate", "--checkpoint", tiny_checkpoint, "--portrait", ROOT / "assets" / "portrait.png"]
    asked += ["--speech", speech, "--steps", "2", "--seed", "3", "--device", "cpu"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    clip = ["--parallel", "clip"]
    for out, start, way in (("one", [], []), ("two", launch, []), ("clip", launch, clip)):
        command = [
            sys.executable,
            *start,
            "-m",
            "read_core.cli",
            *asked,
            *way,
            "--out",
            tmp_path / f"{out}.mp4",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
        done = subprocess.run(
            list(map(str, command)), env=environment, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, done.stderr
    one, two, shared = (frames_of(tmp_path / f"{out}.mp4") for out in ("one", "two", "clip"))
    assert len(one) == 40  # three clips
    assert np.array_equal(one, two)
    assert shared.shape == one.shape
    assert np.abs(shared.astype(int) - one).mean() < 0.5  # up to rounding, of 256 levels
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["clip.mp4", "one.mp4", "two.mp4"]


def test_one_process_cannot_share_a_clip(tmp_path, tiny_checkpoint, capsys):
    speech = write_noise(tmp_path / "speech.wav", seconds=0.2)
    files = ["--portrait", ROOT / "assets" / "portrait.png", "--speech", speech, "--out", tmp_path / "a.mp4"]
    asked = ["generate", "--checkpoint", tiny_checkpoint, "--device", "cpu", "--parallel", "clip", *files]
    assert main(list(map(str, asked))) == 2
    assert "--parallel clip needs several processes; start them with torchrun" in capsys.readouterr().err
