"""What goes wrong with videos, disks and processes: one clear message each, and nothing is lost."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from read_core.errors import MediaError
from read_core.face.alignment import FaceCrop, cut_face
from read_core.footage.locks import claimed
from read_core.footage.manifest import read_manifest
from read_core.footage.prepare import begin, prepare
from read_core.footage.records import CannotWriteError, write_bytes
from read_core.footage.scan import scan
from read_core.footage.sources import Source, find_sources
from read_core.footage.units import Unit, current_plan, work
from read_core.media import read_audio
from read_core.media.frames import FrameReader

from ..footage_videos import placed, write_video

resource = pytest.importorskip("resource", reason="limits the size of files as only Unix can")


@pytest.fixture
def plain(settings):
    return replace(settings, layout="plain")


@contextmanager
def full_disk(size):
    """No file of this process can grow beyond ``size`` bytes: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refused(folder, settings, out):
    """Why the only video in a folder is left out."""
    said: list[str] = []
    manifest = prepare(folder, out, settings, on_warning=said.append).manifest
    assert manifest.content["items"] == []
    (skipped,) = manifest.content["skipped"]
    assert said == [skipped["reason"]]
    return skipped["reason"]


def half(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.6, r"cut short: .* s of the 2\.4 s .* download it again"), (0.01, "download|opens")],
)
def test_a_half_downloaded_video(tmp_path, talk, plain, share, told):
    half(write_video(tmp_path / "in" / "a.mp4", placed(talk.frames), talk.waveform), share)
    reason = refused(tmp_path / "in", plain, tmp_path / "out")
    assert "a.mp4" in reason
    assert re.search(told, reason), reason


def in_matroska(path, frames, waveform):
    """A file, streams interleaved, whose header has the duration of the whole file alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        heard = (waveform.clamp(-1, 1) * 32767).to(torch.int16).numpy()
        for number in range(-(-len(heard) // 640)):
            if number < len(frames):
                picture = (frames[number] * 255).round().byte().numpy()
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            packet = av.AudioFrame.from_ndarray(heard[None, 640 * number : 640 * (number + 1)], "s16", "mono")
            packet.sample_rate = 16_000
            container.mux(sound.encode(packet))
        container.mux(stream.encode(None))
    return path


def test_a_video_whose_sound_goes_on_after_the_picture(tmp_path, talk, plain):
    """It ends with the picture, and a remark says so."""
    longer = torch.cat([talk.waveform, talk.waveform[: 2 * 16_000]])
    path = in_matroska(tmp_path / "in" / "a.mkv", placed(talk.frames), longer)
    assert not FrameReader(path).exact
    said: list[str] = []
    done = prepare(tmp_path / "in", tmp_path / "out", plain, on_warning=said.append)
    assert [(item["start"], item["stop"]) for item in done.manifest.content["items"]] == [(0, 25), (25, 50)]
    (told,) = said
    assert re.search(r"picture ends at 2\.4 s, the sound at 4\.4 s", told)


def test_half_of_a_file_whose_header_tells_of_all_of_it(tmp_path, talk, plain):
    half(in_matroska(tmp_path / "in" / "a.mkv", placed(talk.frames), talk.waveform), 0.4)
    assert "cut short" in refused(tmp_path / "in", plain, tmp_path / "out")


def test_a_video_that_is_whole_by_now_is_taken(tmp_path, talk, plain):
    path = write_video(tmp_path / "in" / "a.mp4", placed(talk.frames), talk.waveform)
    whole = path.read_bytes()
    half(path, 0.6)
    refused(tmp_path / "in", plain, tmp_path / "out")
    path.write_bytes(whole)
    assert prepare(tmp_path / "in", tmp_path / "out", plain).made == 2


def test_a_video_that_cannot_be_read_now_is_tried_again(tmp_path, talk, plain, monkeypatch):
    """A share that is away ends neither the run nor the hope for the video."""
    for name in "ab":
        write_video(tmp_path / "in" / f"{name}.mp4", placed(talk.frames), talk.waveform)
    read = Source.sha256

    def away(source):
        if source.name == "a.mp4":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(source.path))
        return read(source)

    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Source, "sha256", away)
        done = prepare(tmp_path / "in", tmp_path / "out", plain, on_warning=said.append)
    assert {item["source"] for item in done.manifest.content["items"]} == {"b.mp4"}
    (told,) = said
    assert re.search(r"a\.mp4 cannot be read now \(Input/output error\); the next run tries it again", told)
    assert prepare(tmp_path / "in", tmp_path / "out", plain).made == 2


def test_a_video_that_arrives_while_it_is_scanned_is_tried_again(tmp_path, talk, plain, monkeypatch):
    path = write_video(tmp_path / "in" / "a.mp4", placed(talk.frames), talk.waveform)
    whole = path.read_bytes()
    half(path, 0.6)

    def scan_and_arrive(*arguments):
        try:
            return scan(*arguments)
        finally:
            path.write_bytes(whole)

    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("read_core.footage.scan.scan", scan_and_arrive)
        done = prepare(tmp_path / "in", tmp_path / "out", plain, on_warning=said.append)
    assert done.manifest.content["items"] == done.manifest.content["skipped"] == []
    assert "cut short" in said[0]
    assert "the next run tries it again" in said[0]
    assert prepare(tmp_path / "in", tmp_path / "out", plain).made == 2


def test_a_video_without_sound(tmp_path, talk, plain):
    write_video(tmp_path / "in" / "a.mp4", placed(talk.frames), None)
    assert "has no audio stream" in refused(tmp_path / "in", plain, tmp_path / "out")


def test_a_video_without_frames(tmp_path, plain):
    (tmp_path / "in").mkdir()
    with av.open(str(tmp_path / "in" / "a.mkv"), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 32_000), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(sound.encode(frame))
    assert "holds no frames" in refused(tmp_path / "in", plain, tmp_path / "out")


def test_a_video_of_few_frames_per_second(tmp_path, talk, plain):
    frames = placed(talk.frames[::2])
    with av.open(str(write_video(tmp_path / "slow.mp4", frames, talk.waveform))) as old:
        (tmp_path / "in").mkdir()
        with av.open(str(tmp_path / "in" / "a.mkv"), "w") as new:
            streams = {s.index: new.add_stream_from_template(s) for s in old.streams}
            for packet in old.demux():
                if packet.dts is not None:
                    if packet.stream.type == "video":
                        packet.pts, packet.dts = packet.pts * 2, packet.dts * 2
                    packet.stream = streams[packet.stream.index]
                    new.mux(packet)
    assert "frames per second; expected 20" in refused(tmp_path / "in", plain, tmp_path / "out")


def write_variable(path, frames, waveform):
    """A video whose frames come every 20, 40 or 80 ms, with sound; the number of the frame due at a time."""
    times = {40 * i: i for i in range(30) if i % 6 != 5} | {
        20 * i: i // 2 for i in range(60, 2 * len(frames))
    }
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        heard = (waveform.clamp(-1, 1) * 32767).to(torch.int16).numpy()[None]
        for time, number in times.items():
            picture = (frames[number] * 255).round().byte().numpy()
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        packet = av.AudioFrame.from_ndarray(heard, "s16", "mono")
        packet.sample_rate = 16_000
        container.mux(sound.encode(packet))
    return lambda time: times[max(t for t in times if t <= time)]


def test_a_video_of_variable_rate_keeps_picture_and_sound_together(tmp_path, talk, plain):
    """The crop shows at every moment the frame that was due then, with the sound of that moment."""
    wave = 0.8 + 0.15 * torch.sin(torch.arange(len(talk.frames)) * 2 * torch.pi / 17)
    pictures = placed(talk.frames) * wave[:, None, None, None]
    due = write_variable(tmp_path / "in" / "a.mkv", pictures, talk.waveform)
    items = prepare(tmp_path / "in", tmp_path / "out", plain).manifest.content["items"]
    assert items
    for item in items:
        video = (tmp_path / "out" / item["file"]).with_suffix(".mp4")
        crop = FaceCrop(**item["crop"])
        levels = torch.stack([cut_face(one, crop, (64, 64)).mean() for one in pictures])
        shown = [float(one.pixels().mean()) for one in FrameReader(video).read()]
        moments = range(item["start"], item["stop"])
        fits = {}
        for late in range(-3, 4):
            numbers = [due(max(0, 40 * (moment - late)) + 5) for moment in moments]
            fits[late] = float(np.corrcoef(shown, levels[numbers])[0, 1])
        assert max(fits, key=fits.__getitem__) == 0
        assert fits[0] > 0.98
        expected = talk.waveform[640 * item["start"] : 640 * item["stop"]].numpy()
        found = read_audio(video).numpy()[: len(expected)]
        lags = [np.dot(np.roll(found, lag), expected) for lag in range(-1600, 1601, 80)]
        assert abs(80 * int(np.argmax(lags)) - 1600) <= 160


def test_a_disk_that_is_full_while_a_shard_is_written(tmp_path, talk, plain):
    """The run ends and says so; what was finished stays, and the next run goes on."""
    write_video(tmp_path / "in" / "a.mp4", placed(talk.frames), talk.waveform)
    out = tmp_path / "out"
    begin(out, plain, tmp_path / "in")
    (source,) = find_sources(tmp_path / "in", "plain")
    assert work(out, plain, Unit(source, 2.4)).refused == ""
    assert work(out, plain, Unit(source, 1, item=0)).refused == ""
    with full_disk(6_000):
        outcome = work(out, plain, Unit(source, 1, item=1))
    assert outcome.fatal
    assert "out of disk space" in outcome.refused
    left = {path.name for path in (out / "sources" / source.key).iterdir()}
    assert left == {"plan.json", "sound.i16", "0000.json", "0000.mp4", "0000.safetensors"}
    assert prepare(tmp_path / "in", out, plain).made == 1


def test_a_file_is_written_whole_or_the_older_one_stays(tmp_path):
    write_bytes(tmp_path / "a", b"old")
    with full_disk(1_000), pytest.raises(CannotWriteError, match=r"out of disk space.*free some space"):
        write_bytes(tmp_path / "a", b"new" * 1_000)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_ends_the_run_with_one_message(tmp_path, talk, plain):
    write_video(tmp_path / "in" / "a.mp4", placed(talk.frames[25:]), talk.waveform[25 * 640 :])
    prepare(tmp_path / "in", tmp_path / "out", plain)
    write_video(tmp_path / "in" / "b.mp4", placed(talk.frames), talk.waveform)
    with full_disk(20_000), pytest.raises(MediaError, match="out of disk space"):
        prepare(tmp_path / "in", tmp_path / "out", plain)
    assert len(read_manifest(tmp_path / "out").content["items"]) == 1


def test_work_that_another_process_does_is_left_to_it(tmp_path, videos, settings):
    begin(tmp_path, settings, videos)
    source = find_sources(videos, "hdtf")[0]
    with claimed(tmp_path / "locks" / source.key) as ours:
        assert ours
        assert work(tmp_path, settings, Unit(source, 1)).busy
    assert current_plan(tmp_path, source) is None
    assert not work(tmp_path, settings, Unit(source, 1)).busy
    assert current_plan(tmp_path, source) is not None


def children(pid):
    """The processes of the pool that process ``pid`` has started."""
    numbers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(n) for n in numbers if b"spawn_main" in Path(f"/proc/{n}/cmdline").read_bytes()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_killed_worker_loses_at_most_the_item_under_way(tmp_path, videos, settings):
    out = tmp_path / "out"
    arguments = ["--vae", settings.vae, "--whisper", settings.whisper, "--size", 64, "--seconds", 1, 1.5]
    arguments += ["--span", 2, "--context", 1, "--voice", "loudness", "--layout", "hdtf", "--workers", 2]
    arguments += ["--license", settings.license, "--device", "cpu"]
    command = [sys.executable, "-m", "read_core.cli", "prepare", *map(str, [videos, out, *arguments])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(out.glob("sources/*/plan.json")):
            time.sleep(0.05)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 2
    assert "a process was killed" in errors
    assert "Run the same command again" in errors
    finished = {path: path.stat().st_mtime_ns for path in out.glob("sources/*/*.json")}
    assert finished
    done = prepare(videos, out, settings)
    assert len(done.manifest.content["items"]) == 4
    assert all(path.stat().st_mtime_ns == time for path, time in finished.items())
