"""The rehearsal of a full-size training in its shortest form: from nothing to a video and its figures."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from read_core.media.frames import FrameReader

ROOT = Path(__file__).parents[3]
HANGING = 1800  # seconds, many times what it takes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("bash"), reason="a script for Linux")
def test_every_step_of_a_full_size_training(tmp_path):
    out = tmp_path / "rehearsal"
    environment = {name: value for name, value in os.environ.items() if name != "COMFYUI_PATH"}
    environment |= {"OUT": str(out), "SHORT": "1", "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = ["bash", str(ROOT / "scripts" / "rehearse_full_size.sh")]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=HANGING
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(re.findall(r"^-- .*: \d+ s, \d+ s of processor time$", done.stdout, re.M)) == 10
    assert re.search(r"went on from step [1-9]\d* of 24", done.stdout)
    assert re.search(r"^== done in \d+ s, \d+ s of processor time$", done.stdout.splitlines()[-1])
    (video,) = (out / "generated").glob("*.mp4")
    assert video.with_suffix(".runtime.json").is_file()
    (real,) = (out / "real").glob("*.mp4")
    made, wanted = (len(list(FrameReader(path).read())) for path in (video, real))
    assert 0 <= made - wanted <= 1  # sound in AAC lasts a little longer than the picture
    index = json.loads((out / "models" / "read" / "read-toy" / "model_index.json").read_text())
    assert index["face"]["eye_distance"] > 0  # of the footage
    assert index["name"] == "read-toy"
    report = json.loads((out / "evaluation" / "videos.json").read_text())
    assert any(table["title"] == "FID" for table in report["tables"])
