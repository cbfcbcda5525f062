"""Files of a video under way: visible, locked, numbered, never replacing another; read back at the end."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import av
import pytest
import torch

from read_core.errors import MediaError, ReadWarning
from read_core.media import VideoWriter, check_output
from read_core.media.partial import check_unclaimed, patiently, publish
from read_core.media.playable import check_playable

SIZE = (64, 96)
FRAMES = torch.rand(60, *SIZE, 3, generator=torch.Generator().manual_seed(0))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pictures(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def write(path, **options):
    with VideoWriter(path, SIZE, **options) as writer:
        writer.write(FRAMES)
    return writer


@pytest.fixture
def killed(tmp_path):
    """A folder with what a writer of a.mp4 left that was killed between two pieces."""
    code = f"""
import os, signal, torch
from read_core.media import VideoWriter
writer = VideoWriter({str(tmp_path / "a.mp4")!r}, {SIZE})
for _ in range(5):
    writer.write(torch.rand(60, *{SIZE}, 3))
writer.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=600)
    assert done.returncode == -signal.SIGKILL
    return tmp_path


def test_a_killed_writer_leaves_a_visible_file_that_plays(killed):
    assert names(killed) == ["a.partial.mp4"]
    assert pictures(killed / "a.partial.mp4") >= 100


def test_what_a_dead_writer_left_is_kept_and_named(killed):
    left = (killed / "a.partial.mp4").read_bytes()
    with pytest.warns(ReadWarning, match=r"a\.partial\.mp4: left by a run that ended early"):
        writer = VideoWriter(killed / "a.mp4", SIZE)
    writer.write(FRAMES)
    assert names(killed) == ["a.partial-2.mp4", "a.partial.mp4"]
    writer.abort(partial=True)
    assert writer.kept == killed / "a.partial-2.mp4"
    with pytest.warns(ReadWarning, match=r"a\.partial\.mp4, .*a\.partial-2\.mp4: left"):
        write(killed / "a.mp4")
    assert names(killed) == ["a.mp4", "a.partial-2.mp4", "a.partial.mp4"]
    assert (killed / "a.partial.mp4").read_bytes() == left


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_second_writer_of_the_same_name_is_refused(tmp_path, overwrite):
    first = VideoWriter(tmp_path / "a.mp4", SIZE)
    first.write(FRAMES)
    with pytest.raises(MediaError, match=r"being written by another process.* a\.partial\.mp4"):
        VideoWriter(tmp_path / "a.mp4", SIZE, overwrite=overwrite)
    with pytest.raises(MediaError, match="being written"):
        check_unclaimed(tmp_path / "a.mp4")
    first.close()
    assert names(tmp_path) == ["a.mp4"]
    assert pictures(tmp_path / "a.mp4") == len(FRAMES)


def test_the_lock_holds_between_processes(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", SIZE)
    code = f"from read_core.media import VideoWriter; VideoWriter({str(tmp_path / 'a.mp4')!r}, {SIZE})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is being written by another process" in done.stderr
    writer.abort()
    assert names(tmp_path) == []


def test_a_file_that_came_meanwhile_is_left_alone(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", SIZE)
    writer.write(FRAMES)
    (tmp_path / "a.mp4").write_bytes(b"theirs")
    with pytest.raises(MediaError, match=r"another process .* this complete video is .*a\.partial\.mp4"):
        writer.close()
    assert (tmp_path / "a.mp4").read_bytes() == b"theirs"
    assert names(tmp_path) == ["a.mp4", "a.partial.mp4"]
    assert writer.kept is not None
    assert pictures(writer.kept) == len(FRAMES)
    assert b"moof" not in writer.kept.read_bytes()


def test_publishing_without_hard_links_replaces_nothing_either(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    for name in ("new", "old"):
        (tmp_path / name).write_text(name)
    publish(tmp_path / "new", tmp_path / "free", overwrite=False)
    assert (tmp_path / "free").read_text() == "new"
    with pytest.raises(FileExistsError):
        publish(tmp_path / "free", tmp_path / "old", overwrite=False)
    publish(tmp_path / "free", tmp_path / "old", overwrite=True)
    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_text() == "new"


@pytest.mark.parametrize("letter", ["a", "é"])
def test_too_long_a_name_is_refused_before_the_work(tmp_path, letter):
    limit = os.pathconf(tmp_path, "PC_NAME_MAX")
    longest = (limit - len(".partial-99.mp4")) // len(letter.encode())
    with pytest.raises(MediaError, match="name too long by"):
        check_output(tmp_path / f"{letter * (longest + 1)}.mp4", ".mp4")
    with pytest.raises(MediaError, match="name too long by"):
        VideoWriter(tmp_path / f"{'a' * (limit - 4)}.mp4", SIZE)
    write(tmp_path / f"{letter * longest}.mp4")
    assert names(tmp_path) == [f"{letter * longest}.mp4"]


def test_tags_that_are_no_text_are_written_as_far_as_they_are(tmp_path):
    writer = write(
        tmp_path / os.fsdecode(b"a\xe9.mp4"), metadata={"title": os.fsdecode(b"a\xe9"), "mood": "é"}
    )
    with av.open(str(writer.path)) as container:
        assert container.metadata["title"] == "a?"
        assert container.metadata["mood"] == "é"


def test_a_file_with_a_wrong_decoder_configuration_is_found_out(tmp_path):
    good = write(tmp_path / "a.mp4").path
    check_playable(good, len(FRAMES), with_sound=False)
    data = bytearray(good.read_bytes())
    start = data.index(b"avcC") + 4
    data[start : start + 40] = bytes(40)
    good.write_bytes(bytes(data))
    with pytest.raises(MediaError, match="cannot be decoded"):
        check_playable(good, len(FRAMES), with_sound=False)


def test_missing_pictures_and_missing_sound_are_found_out(tmp_path):
    good = write(tmp_path / "a.mp4").path
    with pytest.raises(MediaError, match="frame 60"):
        check_playable(good, len(FRAMES) + 1, with_sound=False)
    with pytest.raises(MediaError, match="cannot be decoded"):
        check_playable(good, len(FRAMES), with_sound=True)


@pytest.mark.parametrize(
    ("system", "refusals", "calls"), [("win32", 3, 4), ("win32", 99, 21), ("linux", 1, 1)]
)
def test_windows_is_given_time_to_let_go_of_a_file(monkeypatch, system, refusals, calls):
    tried = []

    def act():
        tried.append(1)
        if len(tried) <= refusals:
            raise PermissionError

    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("time.sleep", lambda _: None)
    if refusals < calls:
        patiently(act)
    else:
        with pytest.raises(PermissionError):
            patiently(act)
    assert len(tried) == calls
