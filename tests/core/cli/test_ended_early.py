"""``read-core generate`` in a process that is stopped, or short of memory, disk space or readers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import av
import pytest

from read_core.bundled import BUNDLED

from .arguments import command, names


def start(words, before="pass", environment=None):
    # A shell's background jobs ignore Ctrl-C, and what they start inherits that.
    code = (
        "import sys, resource, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"{before}; from read_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_ctrl_c_and_its_like_keep_a_partial_video(inputs, tmp_path, tiny_checkpoint, number, status):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, speech=inputs / "long.wav")
    process = start(words)
    deadline = time.monotonic() + 600
    while (
        not any(path.stat().st_size > 50_000 for path in tmp_path.iterdir()) and time.monotonic() < deadline
    ):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(getattr(signal, number))
    _, error = process.communicate(timeout=600)
    assert process.returncode == status
    assert f"s of video are kept in {tmp_path / 'a.partial.mp4'}".encode() in error
    assert b"Traceback" not in error
    assert names(tmp_path) == ["a.partial.mp4"]
    with av.open(str(tmp_path / "a.partial.mp4")) as container:
        count = sum(1 for _ in container.decode(video=0))
    assert 0 < count < 3000


@pytest.mark.slow
def test_too_little_main_memory_is_one_line(inputs, tmp_path, tiny_checkpoint):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, size=2048)
    # The libraries, and a little more.
    limited = (
        "import read_core.pipeline, read_core.generate; "
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + 400_000_000; "
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))"
    )
    process = start(words, limited)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 2
    assert b"Traceback" not in error
    assert error.splitlines()[-1].startswith(b"read-core: error: out of main memory")
    assert names(tmp_path) == []


@pytest.mark.slow
@pytest.mark.weights
def test_the_announced_memory_is_enough(inputs, tmp_path):
    """Beyond the address space that the process has after a smaller video, with 15 % for the error."""
    quick = {"fit": "crop", "steps": 1, "window": 6}
    large = quick | {"size": 256}
    output, _ = start(command(inputs, tmp_path / "a.mp4", BUNDLED, **large)).communicate(timeout=600)
    announced = float(re.findall(rb"estimate: ([0-9.]+) GB of memory", output)[0])
    assert announced > 0.3  # else it would not matter
    small = command(inputs, tmp_path / "small.mp4", BUNDLED, **quick)
    limited = (
        f"from read_core.cli.main import main; main({small!r}); "
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() "
        f"+ {round(1.15e9 * announced)}; resource.setrlimit(resource.RLIMIT_AS, (size, size))"
    )
    process = start(command(inputs, tmp_path / "b.mp4", BUNDLED, **large), limited)
    _, error = process.communicate(timeout=600)
    assert (process.returncode, error.count(b"Traceback")) == (0, 0)
    assert names(tmp_path) == ["a.mp4", "b.mp4", "small.mp4"]


@pytest.mark.slow
def test_output_that_nobody_reads_or_cannot_be_spelled_does_not_matter(inputs, tmp_path, tiny_checkpoint):
    name = os.fsdecode("é本".encode() + b"\xe9.mp4")
    words = command(inputs, tmp_path / name, tiny_checkpoint)
    process = start(words, environment={"PYTHONIOENCODING": "ascii"})
    output, error = process.communicate(timeout=600)
    assert (process.returncode, error.count(b"Traceback")) == (0, 0)
    assert b"\\xe9\\u672c" in output
    process = start(command(inputs, tmp_path / "b.mp4", tiny_checkpoint))
    process.stdout.close()
    assert process.wait(timeout=600) == 0
    process.stderr.close()
    assert names(tmp_path) == ["b.mp4", name]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_keeps_the_finished_part(inputs, tmp_path, tiny_checkpoint):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, speech=inputs / "long.wav")
    process = start(words, "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))")
    _, error = process.communicate(timeout=600)
    assert process.returncode == 2
    assert b"out of disk space" in error.splitlines()[-1]
    assert b"Traceback" not in error
    assert b"a.partial.mp4" in error.splitlines()[-1]
    assert names(tmp_path) == ["a.partial.mp4"]
    with av.open(str(tmp_path / "a.partial.mp4")) as file:
        assert 0 < sum(1 for _ in file.decode(video=0)) < 10 * 25
