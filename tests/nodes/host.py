"""A real ComfyUI in a process of its own, with this pack in a folder that is thrown away."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import PATIENCE, Client

ROOT = Path(__file__).parents[2]
PACK = "read-talking-head"
IN_HOST = Path(__file__).with_name("in_host")
HELPERS = Path(__file__).with_name("helper_nodes")
SETUP = (
    "no ComfyUI: set COMFYUI_PATH to a checkout (or put one at ~/comfy/ComfyUI) with its packages and this "
    "pack's requirements.txt installed in its .venv, or name its interpreter in COMFYUI_PYTHON"
)


@dataclass(frozen=True)
class Installation:
    """A checkout of ComfyUI and the interpreter that runs it."""

    folder: Path
    python: Path

    @property
    def version(self) -> str:
        found = re.search(r'"(.+)"', (self.folder / "comfyui_version.py").read_text())
        return found[1] if found else "unknown"


def find_installation() -> Installation | None:
    """The host to test with; None: there is none."""
    folder = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "comfy" / "ComfyUI").expanduser()
    python = Path(os.environ.get("COMFYUI_PYTHON") or folder / ".venv" / "bin" / "python")
    complete = (folder / "main.py").is_file() and python.is_file()
    return Installation(folder, python) if complete else None


@dataclass
class Host:
    """A host that answers.

    Attributes:
        base: its base directory: custom_nodes, models, input, output, temp, user.
        client: connected to it.
    """

    base: Path
    process: subprocess.Popen[bytes]
    client: Client

    @property
    def output(self) -> Path:
        return self.base / "output"

    @property
    def log(self) -> str:
        return (self.base / "host.log").read_text(errors="replace")

    def memory(self) -> int:
        """Resident bytes, without pages of mapped files."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        sizes = dict(re.findall(r"(\w+):\s+(\d+) kB", text))
        return sum(int(sizes[name]) * 1024 for name in ("RssAnon", "RssShmem"))


def prepare_base(base: Path) -> None:
    """A base directory with the pack and the helper nodes linked into it."""
    for name in (
        "custom_nodes",
        "input",
        "output",
        "temp",
        "user",
        "models/read",
        "models/vae",
        "models/loras",
    ):
        (base / name).mkdir(parents=True, exist_ok=True)
    for name, folder in ((PACK, ROOT), ("read_test_helpers", HELPERS)):
        link = base / "custom_nodes" / name
        if not link.exists():
            link.symlink_to(folder, target_is_directory=True)
    for name in ("portrait.png", "photo.jpg", "speech.flac"):
        shutil.copy(ROOT / "assets" / name, base / "input" / name)


def cut_recording(target: Path, start: float, stop: float) -> None:
    """Write seconds ``start`` to ``stop`` of the example recording as a WAV file."""
    from read_core.media import read_audio

    samples = read_audio(ROOT / "assets" / "speech.flac")[round(start * 16000) : round(stop * 16000)]
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).short().numpy().tobytes())


def run_in_host(installation: Installation, script: str, *arguments: object) -> str:
    """What a script of ``in_host`` prints last, run by the host's interpreter in the host's folder."""
    done = subprocess.run(
        [str(installation.python), str(IN_HOST / script), *map(str, arguments)],
        cwd=installation.folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return (done.stdout.splitlines() or [""])[-1]


@contextmanager
def running(
    installation: Installation,
    base: Path,
    *options: str,
    environment: dict[str, str] | None = None,
    closed: bool = True,
) -> Iterator[Host]:
    """Start a host on ``base``, wait until it answers; stop it afterwards.

    A ``closed`` one has no nodes of remote services, and its page takes nothing from elsewhere.
    """
    port = _free_port()
    command = [
        *(str(installation.python), "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port)),
        *(("--disable-api-nodes",) if closed else ()),
        *("--base-directory", str(base)),
        *("--database-url", f"sqlite:///{base / 'comfyui.db'}", *options),
    ]
    fixed = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    with (base / "host.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=installation.folder,
            env={**os.environ, **fixed, **(environment or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, port, base)
        host = Host(base, process, Client(f"127.0.0.1:{port}"))
        yield host
        host.client.close()
    finally:
        _stop(process)


def _free_port() -> int:
    """One that the system gives; a fixed range would give two sessions that start at once the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, base: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/system_stats", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    tail = (base / "host.log").read_text(errors="replace")[-3000:]
    raise RuntimeError(f"the host did not start:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(60)
