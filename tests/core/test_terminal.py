"""Signals and streams around a command, in processes of their own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys

import pytest

from read_core.terminal import ForgivingStream, forgiving_output, stop_signals

HEAD = "import os, signal, sys; from read_core.terminal import forgiving_output, stop_signals\n"


def run(code, **options):
    return subprocess.run([sys.executable, "-c", HEAD + code], timeout=600, check=False, **options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_work_as_ctrl_c_does_and_is_told(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), stop_signals() as came:
        signal.raise_signal(number)
    assert came == [number]
    assert signal.getsignal(number) == before


def test_what_nohup_ignores_stays_ignored():
    code = (
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with stop_signals() as came: os.kill(os.getpid(), signal.SIGHUP)\n"
        "assert came == []"
    )
    assert run(code).returncode == 0


def test_characters_that_the_encoding_lacks_are_escaped():
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    ForgivingStream(plain).write("é本" + os.fsdecode(b"\xe9"))
    plain.flush()
    assert plain.buffer.getvalue() == rb"\xe9\u672c\udce9"


def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    code = (
        "with forgiving_output():\n    for _ in range(9): print('x' * 9999, flush=True)\nos.write(2, b'done')"
    )
    done = run(code, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"done")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_output_lost_to_a_full_disk_is_said_and_no_error():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = run("with forgiving_output(): print('x')", stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert done.stderr.startswith("read-core: warning: some of the output is lost")
    assert done.stderr.count("\n") == 1


def test_the_streams_are_put_back():
    before = sys.stdout, sys.stderr
    with forgiving_output():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before
