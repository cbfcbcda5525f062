"""One video by two processes of torchrun: the file of one process, whether they share clips or each clip."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
import torch
from PIL import Image

from read_core.ans.ranks import Ring
from read_core.cli.main import main
from read_core.finish import Finishing
from read_core.generate.turns import finished_in_turn, turns_memory
from read_core.pipeline import ReadPipeline
from read_core.records import FaceChoice
from read_core.video import DecodeSettings

from ..face.test_alignment import painted

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
    """Frames are equal up to what random weights see of latents far back, and to rounding, of 256 levels."""
    speech = write_noise(tmp_path / "speech.wav", seconds=3.2)
    asked = ["generate", "--checkpoint", tiny_checkpoint, "--portrait", ROOT / "assets" / "portrait.png"]
    asked += ["--speech", speech, "--steps", "2", "--seed", "3", "--device", "cpu", "--fit", "face"]
    asked += ["--head-motion"]
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
            "--sheet",
            tmp_path / f"{out}.png",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
        done = subprocess.run(
            list(map(str, command)), env=environment, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, done.stderr
    one, two, shared = (frames_of(tmp_path / f"{out}.mp4") for out in ("one", "two", "clip"))
    assert len(one) == 80  # six clips, two pieces
    far = np.abs(one[:-1].astype(int) - one[1:]).mean()  # of a frame in a wrong place
    assert two.shape == shared.shape == one.shape
    assert np.abs(shared.astype(int) - one).mean() < min(0.5, 0.1 * far)
    assert np.abs(two.astype(int) - one).mean() < 0.2 * far
    drawn = [np.asarray(Image.open(tmp_path / f"{out}.png")).astype(int) for out in ("one", "two")]
    assert np.abs(drawn[1] - drawn[0])[:240].mean() < 0.02 * far  # its pictures; one misplaced: 0.05
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["clip.mp4", "one.mp4", "two.mp4"]


class Post:
    """Stands for the ring: what ranks that ran before have sent to rank 0."""

    def __init__(self, size: int) -> None:
        self.size, self.rank = size, 0
        self.sent: dict[int, list[torch.Tensor]] = {rank: [] for rank in range(size)}
        self.largest = 0  # bytes of a message

    def send_to_first(self, values: torch.Tensor) -> None:
        self.largest = max(self.largest, values.nbytes)
        self.sent[self.rank].append(values)

    def receive_from(self, rank: int, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        values = self.sent[rank].pop(0)
        assert (tuple(values.shape), values.dtype) == (shape, dtype)
        return values

    def settle(self) -> None:
        pass


@pytest.mark.parametrize("pasted", [True, False])
@pytest.mark.parametrize(("ranks", "frames"), [(2, 150), (3, 100), (4, 20)])
def test_ranks_in_turn_decode_and_finish_the_frames_of_one(tiny_components, ranks, frames, pasted):
    pipe, picture = ReadPipeline(tiny_components), painted(200, 240)
    pipe.vae.settings = DecodeSettings(halo=3, chunk=8)
    reference = pipe.encode_reference(picture, (64, 64), "face", FaceChoice(x=0.5, y=0.5, size=0.4))
    latents = torch.randn(1, 8, 23, 2, 2, generator=torch.Generator().manual_seed(0))
    finishing = Finishing(seed=3, size=96, paste_back=pasted, head_motion=True)
    expected = pipe.finish(reference, picture, finishing).with_faces(pipe.decode(latents, frames, 3))
    post = Post(ranks)
    for post.rank in reversed(range(ranks)):
        finish = pipe.finish(reference, picture, finishing)
        found = list(finished_in_turn(pipe, cast(Ring, post), latents, frames, 3, finish))
        assert bool(found) == (post.rank == 0)
    assert not any(post.sent.values())
    assert turns_memory(pipe, 23, frames, ranks, finish) >= 2 * post.largest
    for whole, parts, step in zip(
        zip(*expected, strict=True), zip(*found, strict=True), (1 / 255, 1), strict=True
    ):
        difference = torch.cat(parts).float() - torch.cat(whole).float()
        assert float(difference.abs().max()) <= 1.5 * step


def test_one_process_cannot_share_a_clip(tmp_path, tiny_checkpoint, capsys):
    speech = write_noise(tmp_path / "speech.wav", seconds=0.2)
    files = ["--portrait", ROOT / "assets" / "portrait.png", "--speech", speech, "--out", tmp_path / "a.mp4"]
    asked = ["generate", "--checkpoint", tiny_checkpoint, "--device", "cpu", "--parallel", "clip", *files]
    assert main(list(map(str, asked))) == 2
    assert "--parallel clip needs several processes; start them with torchrun" in capsys.readouterr().err
