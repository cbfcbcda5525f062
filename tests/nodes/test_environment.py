"""What the registry's tool says of the pack, and what its requirements do to a host's environment."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from .host import ROOT

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
REQUIREMENTS = ROOT / "requirements.txt"
KEPT = {"torch", "torchvision", "transformers", "huggingface-hub"}
MAYBE = {"torchaudio"}  # which the newest hosts do not bring, and the pack must not either
BROUGHT = {"diffusers"}  # what the pack needs and no host brings


def comfy_cli():
    """The command ``comfy`` of comfy-cli, or None."""
    beside = Path.home() / "comfy" / "cli" / "bin" / "comfy"
    named = os.environ.get("COMFY_CLI")
    return named or shutil.which("comfy") or (str(beside) if beside.is_file() else None)


def test_comfy_node_validate_passes(tmp_path):
    command = comfy_cli()
    if command is None:
        pytest.skip(
            "no comfy-cli: pip install comfy-cli into an environment of its own, name it in COMFY_CLI"
        )
    done = subprocess.run(
        [command, "node", "validate"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path), "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "All validation checks passed" in said
    assert not re.search("warning", said, re.IGNORECASE), said


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pip(installation, *arguments):
    return subprocess.run(
        [str(installation.python), "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def packages(folder):
    """Versions by name of what is installed in a site-packages folder."""
    found = importlib.metadata.distributions(path=[str(folder)])
    return {canonical(package.metadata["Name"]): package.version for package in found}


@pytest.fixture(scope="module")
def site_packages(installation):
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([str(installation.python), "-c", ask], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


@pytest.fixture
def untouched(installation, site_packages, tmp_path):
    """An environment that pip takes for the host's before the pack came; its site-packages folder.

    It holds what pip reads of the host's packages, their dist-info folders, and not the packages themselves.
    """
    try:
        urllib.request.urlopen("https://pypi.org/simple/pip/", timeout=10).close()
    except (OSError, urllib.error.URLError):
        pytest.skip("offline: pip cannot ask which versions there are")
    folder = tmp_path / "environment"
    subprocess.run([str(installation.python), "-m", "venv", "--without-pip", str(folder)], check=True)
    target = folder / site_packages.relative_to(installation.python.parents[1])
    for info in site_packages.glob("*.dist-info"):
        if canonical(info.name.split("-")[0]) not in BROUGHT:
            shutil.copytree(info, target / info.name)
    return target


def test_installing_the_requirements_leaves_the_host_s_packages(installation, untouched):
    """pip's own resolver, first asked and then let do it, beside everything that the host has."""
    before = packages(untouched)
    assert before.keys() >= KEPT
    assert not before.keys() & BROUGHT
    report = untouched.parent / "report.json"
    into = ("--python", str(untouched.parents[2] / "bin" / "python"))
    install = (*into, "install", "--quiet", "--requirement", str(REQUIREMENTS))
    asked = pip(installation, *install, "--dry-run", "--report", str(report))
    assert asked.returncode == 0, asked.stderr
    planned = {
        canonical(item["metadata"]["name"]): item["metadata"]["version"]
        for item in json.loads(report.read_text())["install"]
    }
    assert planned.keys() >= BROUGHT
    assert not planned.keys() & (before.keys() | KEPT | MAYBE), planned
    done = pip(installation, *install)
    assert done.returncode == 0, done.stderr
    assert packages(untouched) == before | planned
    checked = pip(installation, *into, "check")
    assert checked.returncode == 0, checked.stdout


def test_the_host_s_environment_is_as_its_packages_want_it(installation, site_packages):
    """In the environment that the other tests run in, nothing is missing and nothing contradicts."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    ours = [canonical(re.split(r"[<>=!~\[; ]", line)[0]) for line in lines if line and line[0] != "#"]
    assert BROUGHT <= set(ours) <= packages(site_packages).keys()
    checked = pip(installation, "check")
    assert checked.returncode == 0, checked.stdout
    wanted = pip(installation, "install", "--no-index", "--dry-run", "--requirement", str(REQUIREMENTS))
    assert wanted.returncode == 0, wanted.stderr
    assert "Would install" not in wanted.stdout
