"""What `pip install` brings: every file of the package that is not code, the weights above all."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEAST = 77  # the setuptools that pyproject.toml asks for


def data_files() -> set[str]:
    """Files of the package that are no code."""
    files = (path for path in (ROOT / "read_core").rglob("*") if path.is_file())
    return {
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.suffix != ".py" and "__pycache__" not in path.parts
    }


@pytest.fixture
def wheel(tmp_path):
    """The names in a wheel of this tree. The large files are empty there."""
    try:
        found = int(importlib.metadata.version("setuptools").split(".")[0])
    except importlib.metadata.PackageNotFoundError:
        found = 0
    if found < LEAST:
        pytest.skip(f"needs setuptools {LEAST} or later to build a wheel, found {found or 'none'}")
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for path in (ROOT / "read_core").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = tree / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"" if path.suffix == ".safetensors" else path.read_bytes())
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=tree, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        return set(archive.namelist())


def test_the_wheel_has_the_weights_of_the_tree(wheel):
    weights = {name for name in data_files() if name.endswith(".safetensors")}
    assert {name for name in wheel if name.endswith(".safetensors")} == weights
    assert any(name.startswith("read_core/checkpoints/") for name in weights)
    assert any(name.startswith("read_core/mouth/") for name in weights)


def test_the_wheel_has_the_other_files_too(wheel):
    assert data_files() <= wheel
