"""scripts/queue_workflow.py: the command, also against a real host."""

import json
import shutil
import subprocess
import sys

import av
import pytest
from PIL import Image

from ..nodes.host import ROOT

pytest.importorskip("aiohttp", reason="no aiohttp: pip install aiohttp")


def script(*arguments, options=()):
    command = [sys.executable, *options, str(ROOT / "scripts" / "queue_workflow.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestCommand:
    def test_wrong_arguments_give_2(self):
        done = script(ROOT / "workflows" / "READ_check.json")
        assert done.returncode == 2
        assert "workflows/api" in done.stderr

    def test_no_host_gives_1_and_one_line(self):
        done = script(ROOT / "workflows" / "api" / "READ_check.json", "--host", "127.0.0.1:9")
        assert done.returncode == 1
        assert done.stderr.startswith("error: no ComfyUI answers at http://127.0.0.1:9")
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (("--hosts", "a:1,b:1"), "--hosts needs --table"),
            (("--results", "r.csv"), "--results needs --table"),
            (("--table", "jobs.csv", "--seed", 1), "--seed does not go with --table"),
            (("--table", "jobs.csv", "--hosts", " , "), "--hosts names no host"),
        ],
    )
    def test_an_option_that_would_be_ignored_gives_2(self, options, reason):
        done = script(ROOT / "workflows" / "api" / "READ_check.json", *options)
        assert done.returncode == 2
        assert reason in done.stderr

    @pytest.mark.parametrize("address", ["127.0.0.1:99999", "http://"])
    def test_a_wrong_address_gives_1_and_one_line(self, address):
        done = script(ROOT / "workflows" / "api" / "READ_check.json", "--host", address)
        assert done.returncode == 1
        assert "is no address" in done.stderr
        assert done.stderr.count("\n") == 1

    def test_it_starts_in_a_portable_python(self):
        """Which, as with -I, does not look for modules in the script's folder."""
        done = script("--help", options=["-I"])
        assert done.returncode == 0, done.stderr
        assert "--portrait" in done.stdout

    def test_a_header_needs_a_name_and_a_value(self):
        done = script(ROOT / "workflows" / "api" / "READ_check.json", "--header", "Bearer TOKEN")
        assert done.returncode == 2
        assert "expected NAME: VALUE" in done.stderr

    @pytest.mark.comfy
    @pytest.mark.slow
    def test_fetches_the_video_and_tells_the_steps(self, address, base, tmp_path):
        done = script(
            ROOT / "workflows" / "api" / "READ_talking_head.json",
            *("--host", address, "--speech", base / "input" / "short.wav", "--seed", 5, "--out", tmp_path),
        )
        assert done.returncode == 0, done.stderr
        (video,) = tmp_path.iterdir()
        assert done.stdout == f"{video}\n"
        with av.open(str(video)) as file:
            assert file.streams.video[0].frames == 25
        lines = done.stderr.splitlines()
        assert "[11/11] Save Video" in lines
        own = ROOT / "read_core" / "checkpoints" / "read-tiny" / "scheduler" / "scheduler_config.json"
        steps = json.loads(own.read_text(encoding="utf-8"))["steps"]
        assert any(line.endswith(f"READ ANS Sampler: 1 of {steps}") for line in lines), lines

    @pytest.mark.comfy
    @pytest.mark.slow
    def test_a_table_sets_what_the_host_uses(self, address, base, tmp_path):
        """The file says with which seed and scales it was made. A host that does not answer is left out."""
        shutil.copy(base / "input" / "short.wav", tmp_path)
        shutil.copy(ROOT / "assets" / "photo.jpg", tmp_path)
        (tmp_path / "jobs.csv").write_text(
            "portrait,speech,out,seed,size,guidance,alpha,beta,output_size\n"
            "photo.jpg,short.wav,a.mp4,5,128,split,-0.5,1.5,128\n"
        )
        done = script(
            ROOT / "workflows" / "api" / "READ_long_audio.json",
            *("--table", tmp_path / "jobs.csv", "--hosts", f"127.0.0.1:9,{address}"),
        )
        assert done.returncode == 0, done.stderr
        assert "127.0.0.1:9 is left out until it answers" in done.stderr
        with av.open(str(tmp_path / "a.mp4")) as file:
            assert (file.streams.video[0].height, file.streams.video[0].frames) == (128, 25)
            comment = file.metadata["comment"]
        assert "seed 5" in comment
        assert "kind=split alpha=-0.5 beta=1.5" in comment

    @pytest.mark.comfy
    @pytest.mark.slow
    @pytest.mark.parametrize("folder", ["workflows/api", "tests/workflows/saved/api"])
    def test_leaves_the_users_inputs_as_they_are(self, address, base, tmp_path, folder):
        """Files of the same names get others, which the prompt then reads; the second run is cached."""
        theirs = {name: base / "input" / name for name in ("portrait.png", "speech.flac")}
        before = {name: path.read_bytes() for name, path in theirs.items()}
        with Image.open(theirs["portrait.png"]) as portrait:
            portrait.rotate(180).save(tmp_path / "portrait.png")
        shutil.copy(base / "input" / "short.wav", tmp_path / "speech.flac")
        for _ in range(2):
            done = script(
                ROOT / folder / "READ_long_audio.json",
                *("--host", address, "--out", tmp_path / "out", "--portrait", tmp_path / "portrait.png"),
                *("--speech", tmp_path / "speech.flac"),
            )
            assert done.returncode == 0, done.stderr
        assert {name: path.read_bytes() for name, path in theirs.items()} == before
        with av.open(str(next((tmp_path / "out").iterdir()))) as file:
            assert file.streams.video[0].frames == 25
            assert "portrait (1).png" in file.metadata["prompt"]

    @pytest.mark.comfy
    @pytest.mark.slow
    def test_refused_prompt_gives_1_and_one_line(self, address, tmp_path):
        prompt = json.loads((ROOT / "workflows" / "api" / "READ_long_audio.json").read_text())
        (writer,) = [node for node in prompt.values() if "steps" in node["inputs"]]
        writer["inputs"]["steps"] = 900
        (tmp_path / "w.json").write_text(json.dumps(prompt))
        done = script(tmp_path / "w.json", "--host", address, "--out", tmp_path / "out")
        assert done.returncode == 1
        assert "steps" in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()
