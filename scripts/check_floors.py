"""Run the core's tests with the oldest version of every package that requirements.txt allows, all at once.

Run it by hand before you change a floor and before a release::

    python scripts/check_floors.py [FOLDER] [--torch VERSION] [-- pytest arguments]

FOLDER (default: output/floors) becomes a virtual environment and is reused the next time.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements.txt"
BESIDE = ("pytest", "accelerate", "pydantic", "pyyaml", "matplotlib")  # needed by the tests; any version


def floors(requirements: str) -> list[str]:
    """``name>=version`` lines -> ``name==version``.

    Raises:
        ValueError: a line has no floor.
    """
    lines = [line.split("#")[0].strip() for line in requirements.splitlines()]
    found = [re.fullmatch(r"([\w.-]+)>=([\w.]+)", line) for line in lines if line]
    wrong = [line for line, match in zip(filter(None, lines), found, strict=True) if match is None]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: expected name>=version")
    return [f"{match[1]}=={match[2]}" for match in found if match is not None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "output" / "floors")
    parser.add_argument("--torch", default="2.11.0", help="version of torch and torchaudio (2.11.0)")
    parser.add_argument(
        "rest", nargs=argparse.REMAINDER, help="-- and arguments for pytest (default: quick tests)"
    )
    args = parser.parse_args()
    venv.create(args.folder, with_pip=True)
    python = args.folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    torch = [f"torch=={args.torch}", f"torchaudio=={args.torch}"]
    pinned = floors(REQUIREMENTS.read_text(encoding="utf-8"))
    print("installing", *pinned, *torch, flush=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *pinned, *torch, *BESIDE], check=True)
    rest = [word for word in args.rest if word != "--"] or ["tests/core", "-q", "-m", "not slow and not gpu"]
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", *rest]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
