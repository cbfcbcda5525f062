"""The recipe of read-tiny: every step has what it needs, and all of them run at toy size."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import average_weights
import fit_eyelids
import pytest

from read_core import ReadPipeline
from read_core.cli.main import main
from read_core.media.frames import FrameReader
from read_core.training.config import read_config

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "train_read_tiny.sh"
EXPORTS = ("vae", "whisper", "speech_ae", "transformer", "detail", "eyelids", "initial", "distilled")
FIT, AVERAGE = "fit_eyelids.py", "average_weights.py"
SCRIPTS = {FIT: fit_eyelids.main, AVERAGE: average_weights.main}

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")


def script(*steps: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script's run; no step of it runs with DRY=1."""
    command = ["bash", str(SCRIPT), *steps]
    settings = {
        **os.environ,
        "FACES": str(ROOT / "assets" / "faces"),
        "PYTHON": "python",
        "DRY": "1",
        **environment,
    }
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False)


def commands(*steps: str, **environment: str) -> list[list[str]]:
    """The arguments of ``read-core`` in the commands of the steps; of a script, its name comes first."""
    done = script(*steps, **environment)
    assert done.returncode == 0, done.stderr
    found = []
    for line in done.stdout.splitlines():
        words = shlex.split(line)
        if "read_core.cli" in words:
            found.append(words[words.index("read_core.cli") + 1 :])
        else:
            found.append([Path(words[1]).name, *words[2:]])
    return found


def settings(words: list[str]) -> dict[str, Any]:
    """The configuration of a command ``train`` or ``checkpoint``."""
    return read_config(Path(words[1]))


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


@pytest.mark.parametrize("extra", [(), ("drawn-checkpoint",)])
def test_every_input_was_made_by_an_earlier_command(extra):
    made, drawn = set(), set()
    for words in commands("all", *extra):
        if words[0] == "corpus":
            drawn.add((option(words, "--out"), option(words, "--split")))
            continue
        if words[0] == FIT:
            made.add(option(words, "--out"))
            continue
        if words[0] == AVERAGE:
            assert {*words[1:3]} <= made
            made |= {option(words, "--out"), option(words, "--out") + "/speech_ae"}
            continue
        config = settings(words)
        if "clips" in config:
            assert {(config["clips"], split) for split in ("train", "validation")} <= drawn
        missing = {key: config[key] for key in EXPORTS if key in config and config[key] not in made}
        assert not missing, words[1]
        output = config["output"]
        assert config.get("features", f"{output}/speech") in {*made, f"{output}/speech"}
        made |= {output, f"{output}/export"}
        if config.get("speech") == "tuned":
            made.add(f"{output}/export/speech_ae")
        if config.get("speech") == "tuned" or config.get("stage") == "distill":
            made.add(f"{output}/speech")


def test_all_configurations_of_the_photographs_are_used_and_none_needs_the_bundled_checkpoint():
    used = {Path(words[1]) for words in commands("all") if words[0] in ("train", "checkpoint")}
    shipped = set((ROOT / "configs" / "photo").glob("*.yaml"))
    assert shipped <= used
    assert all("read_core/checkpoints" not in path.read_text(encoding="utf-8") for path in shipped)


def test_the_photographs_train_in_two_processes():
    done = script("photo-vae", "photo-a2v", "photo-decoder", "photo-detail")
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all("--nproc_per_node 2 -m read_core.cli train" in line for line in lines)


def test_parts_fit_each_other():
    vae, decoder, a2v, detail, distill, checkpoint = (
        read_config(ROOT / "configs" / "photo" / f"{name}.yaml")
        for name in ("vae", "vae-3", "a2v-2", "detail", "distill", "checkpoint")
    )
    drawn = read_config(ROOT / "configs" / "tiny" / "a2v.yaml")["model"]
    assert vae["model"]["latent_channels"] == drawn["in_channels"] == drawn["out_channels"]
    assert decoder["initial"] == a2v["vae"]  # so the decoder reads the latents that A2V-DiT makes
    assert decoder["encoder"] is False
    assert checkpoint["vae"] == detail["vae"] == f"{decoder['output']}/export"
    assert checkpoint["whisper"] == distill["whisper"]
    assert checkpoint["transformer"] == distill["transformer"]
    assert max(a2v["windows"]) == checkpoint["defaults"]["window"]
    assert checkpoint["defaults"]["distilled"]["steps"] in distill["steps"]
    assert [32 * side for side in vae["model"]["grid"]] == checkpoint["card"]["resolution"]
    sizes = {
        option(words, "--out"): option(words, "--size") if "--size" in words else "128"
        for words in commands("photo-corpus")
    }
    height, _ = checkpoint["card"]["resolution"]
    assert sizes == {
        vae["clips"]: str(height),
        a2v["clips"]: str(height),
        detail["clips"]: str(height * detail["codec"]["shrink"]),
    }
    layouts = {option(words, "--layout") for words in commands("photo-corpus")}
    assert layouts == {",".join(str(checkpoint["face"][key]) for key in ("eye_distance", "eyes", "mouth"))}


@pytest.mark.parametrize("faces", ["", str(ROOT / "assets")])
def test_without_a_folder_of_portraits_nothing_starts(faces):
    done = script("all", FACES=faces)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "landmarks.npy" in done.stderr


def test_an_unknown_step_and_none():
    assert script("photo").returncode == script().returncode == 2
    assert "no step photo" in script("photo").stderr
    assert "photo-detail" in script().stdout


@pytest.mark.slow
def test_every_command_runs_at_toy_size(tmp_path, monkeypatch, photograph):
    """In one process, since importing takes most of the time of a command."""
    monkeypatch.chdir(tmp_path)
    steps = commands("all", "drawn-checkpoint", TOY="1", WORKERS="1")
    for words in steps:
        done = SCRIPTS[words[0]](words[1:]) if words[0] in SCRIPTS else main(words)
        assert done == 0, words
    assert {path.name for path in Path("output").iterdir()} == {"tiny", "photo"}
    pipe = ReadPipeline.from_pretrained(Path("output/photo/checkpoint"))
    assert pipe.card.face is not None
    assert pipe.detail is not None
    assert pipe.eyelids is not None
    assert pipe.student is not None
    assert json.loads(Path("output/photo/checkpoint/model_index.json").read_text())["format"] == 2
    assert ReadPipeline.from_pretrained(Path("output/tiny/checkpoint")).card.face is None
    with wave.open("short.wav", "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(random.Random(0).randbytes(2 * 8_000))
    files = ["--portrait", str(photograph), "--speech", "short.wav", "--out", "talk.mp4"]
    assert main(["generate", "--checkpoint", "output/photo/checkpoint", *files, "--steps", "3"]) == 0
    frames = list(FrameReader(Path("talk.mp4")).read())
    assert len(frames) >= 12
    assert frames[0].pixels().shape == (640, 512, 3)  # the whole photograph
