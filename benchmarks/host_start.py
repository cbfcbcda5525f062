"""Measure how much longer ComfyUI takes to start with this pack than without it.

The host starts, loads its custom nodes and ends (``--quick-test-for-ci``), in turn without and with the pack.
Name its folder in COMFYUI_PATH and, unless it has a ``.venv``, its interpreter in COMFYUI_PYTHON.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from timing import ROOT, guarded, interleaved

from read_core import InputError, ReadError

WITHOUT, WITH = "the host alone", "with the pack"


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--repeats", type=int, default=5, help="timed rounds, after one that is not counted")
    args = made.parse_args()
    folder = Path(os.environ.get("COMFYUI_PATH", "")).expanduser().resolve()
    if "COMFYUI_PATH" not in os.environ or not (folder / "main.py").is_file():
        raise InputError("no ComfyUI found: set COMFYUI_PATH to its folder, the one that holds main.py")
    python = os.environ.get("COMFYUI_PYTHON") or str(folder / ".venv" / "bin" / "python")
    with tempfile.TemporaryDirectory() as temporary:
        calls = {}
        for name in (WITHOUT, WITH):
            base = Path(temporary) / name.replace(" ", "-")
            (base / "custom_nodes").mkdir(parents=True)
            if name == WITH:
                (base / "custom_nodes" / "read-talking-head").symlink_to(ROOT, target_is_directory=True)
            calls[name] = partial(start, python, folder, base)
        times = interleaved(calls, args.repeats, torch.device("cpu"))
    for name in calls:
        print(f"{name}: {times.median(name):.2f} s")
    print(f"ratio: {times.ratio(WITH, WITHOUT)}")


def start(python: str, folder: Path, base: Path) -> None:
    """Start the host on a base folder and wait until it has ended.

    Raises:
        ReadError: it failed.
    """
    command = [python, "main.py", "--cpu", "--quick-test-for-ci", "--disable-api-nodes"]
    command += ["--base-directory", str(base), "--database-url", f"sqlite:///{base / 'comfyui.db'}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or "IMPORT FAILED" in done.stdout + done.stderr:
        print(done.stderr[-3000:], file=sys.stderr)
        raise ReadError(f"ComfyUI in {folder} did not start, see above")


if __name__ == "__main__":
    guarded(main)
