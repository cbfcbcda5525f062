"""What is left of a video after interrupts, errors and a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from read_core.errors import InputError, MediaError
from read_core.media import AudioTrack, VideoWriter, waveform_track

from .written import SIZE, names, ramp, streams, tone, write_and_raise


def test_interrupted_it_keeps_a_partial_file_that_plays(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", SIZE, waveform_track(tone(160000, 16000), 16000))
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(writer, [30, 7], KeyboardInterrupt())
    assert names(tmp_path) == ["a.partial.mp4"]
    found = streams(tmp_path / "a.partial.mp4")
    assert found["frames"] == 37
    assert found["sound"] * 25 == 37


def test_ctrl_c_in_the_middle_of_writing_waits_for_the_frames(tmp_path):
    code = f"""
import signal, threading, torch
from read_core.media import VideoWriter, waveform_track
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
writer = VideoWriter({str(tmp_path / "a.mp4")!r}, (128, 128), waveform_track(torch.rand(16000), 16000))
with writer:
    frames = torch.rand(20, 128, 128, 3)
    writer.write(frames)
    threading.Timer(0.02, signal.raise_signal, [signal.SIGINT]).start()
    while True:
        writer.write(frames)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
    )
    assert "KeyboardInterrupt" in done.stderr
    assert names(tmp_path) == ["a.partial.mp4"]
    assert streams(tmp_path / "a.partial.mp4")["frames"] % 20 == 0
    assert streams(tmp_path / "a.partial.mp4")["frames"] >= 20


@pytest.mark.parametrize("frames", [0, 30])
def test_any_other_error_leaves_nothing(tmp_path, frames):
    writer = VideoWriter(tmp_path / "a.mp4", SIZE, waveform_track(tone(160000, 16000), 16000))
    with pytest.raises(RuntimeError, match="sampler"):
        write_and_raise(writer, [frames], RuntimeError("sampler"))
    assert names(tmp_path) == []


def test_an_interrupt_before_the_first_frame_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", SIZE):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_no_frame_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(MediaError, match="no frame was written"), VideoWriter(tmp_path / "a.mp4", SIZE):
        pass
    assert names(tmp_path) == []


def written_on_a_full_disk(tmp_path, limit, pieces, keep, ending=""):
    """What a writer says that may not let its file grow beyond ``limit`` bytes, as on a full disk."""
    code = f"""
import resource, torch
from read_core.errors import MediaError
from read_core.media import VideoWriter, waveform_track
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
try:
    sound = waveform_track(torch.rand(160000), 16000)
    with VideoWriter({str(tmp_path / "a.mp4")!r}, (128, 128), sound, keep={keep}) as writer:
        for piece in range({pieces}):
            writer.write(torch.rand(25, 128, 128, 3, generator=torch.Generator().manual_seed(piece)))
        {ending}
except MediaError as error:
    raise SystemExit(f"MediaError: {{error}}")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("MediaError")
    assert "out of disk space" in done.stderr
    return done.stderr


@pytest.mark.parametrize(("limit", "pieces"), [(1_000, 1), (30_000, 1), (30_000, 8), (300_000, 8)])
def test_out_of_space_is_one_message_and_leaves_nothing(tmp_path, limit, pieces):
    """Early, late, or in the last write."""
    assert "nothing was kept" in written_on_a_full_disk(tmp_path, limit, pieces, keep=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize(("keep", "ending"), [(True, ""), (False, "raise KeyboardInterrupt")])
def test_out_of_space_keeps_the_whole_fragments_if_wanted(tmp_path, keep, ending):
    """A writer that keeps them does so at once; after an interrupt, where the last frames do not fit."""
    limit, pieces = (1_500_000, 12) if keep else (1_050_000, 4)
    said = written_on_a_full_disk(tmp_path, limit, pieces, keep, ending)
    assert f"the finished part is {tmp_path / 'a.partial.mp4'}" in said
    assert names(tmp_path) == ["a.partial.mp4"]
    found = streams(tmp_path / "a.partial.mp4")
    assert 0 < found["frames"] < 25 * pieces
    assert (tmp_path / "a.partial.mp4").stat().st_size > limit / 2


def test_out_of_space_before_the_first_fragment_leaves_nothing(tmp_path):
    assert "nothing was kept" in written_on_a_full_disk(tmp_path, 30_000, 8, keep=True)
    assert names(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_one_message_and_leaves_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        writer = VideoWriter(disk / "a.mp4", SIZE, waveform_track(tone(160000, 16000), 16000), crf=1)
        writer.write(torch.rand(250, *SIZE, 3))
        with pytest.raises(MediaError, match="out of disk space") as caught:
            writer.flush()
        assert getattr(caught.value.__cause__, "errno", None) == errno.ENOSPC
        assert names(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_room_for_the_index_in_front_still_gives_the_video(tmp_path):
    """Fragments are kept when the ordinary copy does not fit."""
    code = f"""
import resource, torch
import read_core.media.video as video
generator = torch.Generator().manual_seed(0)
writer = video.VideoWriter({str(tmp_path / "a.mp4")!r}, (128, 128))
for _ in range(4):
    writer.write(torch.rand(25, 128, 128, 3, generator=generator))
remux = video.remux
def tight(source, target, metadata):
    resource.setrlimit(resource.RLIMIT_FSIZE, (source.stat().st_size // 2, resource.RLIM_INFINITY))
    remux(source, target, metadata)
video.remux = tight
writer.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=600, check=True, capture_output=True, text=True
    )
    assert "stays in fragments" in done.stderr
    assert names(tmp_path) == ["a.mp4"]
    assert streams(tmp_path / "a.mp4")["frames"] == 100


def encoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("READ encoder")]


@pytest.mark.parametrize("end", ["close", "abort", "interrupt", "error"])
def test_no_thread_is_left(tmp_path, end):
    writer = VideoWriter(tmp_path / "a.mp4", SIZE, waveform_track(tone(160000, 16000), 16000))
    writer.write(ramp(0, 30))
    assert encoders()
    if end in ("interrupt", "error"):
        error = KeyboardInterrupt if end == "interrupt" else RuntimeError
        with pytest.raises(error):
            write_and_raise(writer, [5], error())
    else:
        getattr(writer, end)()
    assert not encoders()


def broken_sound():
    """A track of 2 s whose disk is gone in the second one."""

    def chunks():
        yield tone(16000, 16000).numpy()
        raise OSError(errno.EIO, "Input/output error")

    return AudioTrack(16000, 1, "the recording", chunks)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("at", ["write", "close", "interrupt"])
def test_an_error_of_the_encoder_is_one_message_at_the_next_call(tmp_path, at, keep):
    """Whatever the next call is: no thread is left. Calls after it find a closed file.

    Where the finished part is wanted, the frames are kept up to the one whose sound could not be read.
    """
    writer = VideoWriter(tmp_path / "a.mp4", SIZE, broken_sound(), keep=keep)
    writer.write(ramp(0, 50))

    def write_on() -> None:
        for _ in range(1_000_000):
            writer.write(ramp(0, 1))

    calls = {
        "write": write_on,
        "close": writer.close,
        "interrupt": lambda: writer.abort(partial=True),
    }
    kept = keep or at == "interrupt"
    told = r"the finished part is .*a\.partial\.mp4" if kept else "nothing was kept"
    with pytest.raises(MediaError, match=rf"a\.mp4: cannot be written .*{told}") as caught:
        calls[at]()
    assert getattr(caught.value.__cause__, "errno", None) == errno.EIO
    assert names(tmp_path) == (["a.partial.mp4"] if kept else [])
    assert not encoders()
    assert writer.kept == (writer.partial if kept else None)
    if kept:
        assert streams(writer.kept)["frames"] == writer.num_frames == 26
    with pytest.raises(InputError, match="closed"):
        writer.write(ramp(0, 1))


def test_the_handler_of_ctrl_c_is_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with VideoWriter(tmp_path / "a.mp4", SIZE) as writer:
        writer.write(ramp(0, 5))
    assert signal.getsignal(signal.SIGINT) is before
