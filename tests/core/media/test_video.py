"""Written files, read back with PyAV: streams, lengths, colors, and what is refused."""

from __future__ import annotations

import os
import resource

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import Colorspace

from read_core.errors import InputError, MediaError
from read_core.media import VideoWriter, file_track, waveform_track

from .written import SIZE, names, ramp, streams, tone, write_and_raise


def decode_sound(path):
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def test_equal_frames_give_equal_files(tmp_path):
    """Noise, since x264 for AVX-512 decided by chance there: about one file in eight was another one."""
    noise = torch.rand(30, 64, 96, 3, generator=torch.Generator().manual_seed(0)) / 5
    frames = noise + torch.linspace(0, 0.8, 30)[:, None, None, None]
    files = set()
    for number in range(30):
        with VideoWriter(tmp_path / f"{number}.mp4", (64, 96)) as writer:
            writer.write(frames[:9])
            writer.write(frames[9:])
        files.add((tmp_path / f"{number}.mp4").read_bytes())
    assert len(files) == 1


def test_streams_lengths_and_tags(tmp_path):
    with VideoWriter(
        tmp_path / "a.mp4", SIZE, waveform_track(tone(40320, 16000), 16000), {"comment": "seed 3"}
    ) as writer:
        for start in range(0, 63, 20):
            writer.write(ramp(start, min(20, 63 - start)))
    found = streams(tmp_path / "a.mp4")
    assert found["codecs"] == ("h264", "aac")
    assert found["rate"] == 25
    assert found["frames"] == 63
    assert found["picture"] * 25 == 63
    assert found["sound"] * 16000 == 63 * 640
    assert found["audio"] == (16000, 1)
    assert found["start"] == 0
    assert found["tags"]["comment"] == "seed 3"
    assert names(tmp_path) == ["a.mp4"]


def test_pictures_and_colors_come_back_in_order(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", SIZE, crf=1) as writer:
        writer.write(ramp(0, 60))
    with av.open(str(tmp_path / "a.mp4")) as container:
        pictures = [  # PyAV 16 heeds the standard of the file only where another is named
            frame.reformat(format="rgb24", dst_colorspace=Colorspace.ITU601).to_ndarray()
            for frame in container.decode(video=0)
        ]
    frames = np.stack(pictures) / 255
    assert frames.shape == (60, *SIZE, 3)
    np.testing.assert_array_equal(frames[:, 32, :, 2].argmax(axis=1), np.arange(60))
    np.testing.assert_allclose(frames[30, 20, 70], [0.7, 0.3, 0.2], atol=0.02)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_native_rate_and_channels_are_kept_in_step(tmp_path, rate, channels):
    with VideoWriter(
        tmp_path / "a.mp4", SIZE, waveform_track(tone(2 * rate, rate, channels), rate)
    ) as writer:
        writer.write(ramp(0, 50))
    found = streams(tmp_path / "a.mp4")
    assert found["audio"] == (rate, channels)
    assert found["sound"] == 2
    sound = decode_sound(tmp_path / "a.mp4")
    middle = slice(rate // 2, 3 * rate // 2)
    np.testing.assert_allclose(sound[0, middle], tone(2 * rate, rate)[0, middle], atol=0.08)


@pytest.mark.parametrize("rate", [7350, 10000, 96000])
def test_rates_that_players_do_not_take_become_48_khz(tmp_path, rate):
    with VideoWriter(tmp_path / "a.mp4", SIZE, waveform_track(tone(rate, rate), rate)) as writer:
        writer.write(ramp(0, 25))
    found = streams(tmp_path / "a.mp4")
    assert found["audio"] == (48000, 1)
    assert found["sound"] == 1


def test_short_sound_is_padded_and_long_sound_cut(tmp_path):
    for name, samples in (("short", 16000), ("long", 160000)):
        with VideoWriter(
            tmp_path / f"{name}.mp4", SIZE, waveform_track(tone(samples, 16000), 16000)
        ) as writer:
            writer.write(ramp(0, 50))
        assert streams(tmp_path / f"{name}.mp4")["sound"] == 2
    assert np.abs(decode_sound(tmp_path / "short.mp4")[0, 18000:32000]).max() < 1e-3
    assert np.abs(decode_sound(tmp_path / "long.mp4")[0, 18000:32000]).max() > 0.4


def test_sound_is_taken_from_a_file(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", SIZE, waveform_track(tone(44100, 44100, 2), 44100)) as writer:
        writer.write(ramp(0, 25))
    with VideoWriter(tmp_path / "b.mp4", SIZE, tmp_path / "a.mp4") as writer:
        writer.write(ramp(0, 25))
    assert file_track(tmp_path / "b.mp4").sample_rate == 44100
    assert streams(tmp_path / "b.mp4")["audio"] == (44100, 2)


def test_the_file_can_be_sought(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", SIZE, crf=1) as writer:
        writer.write(ramp(0, 90))
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].frames == 90
        container.seek(3_000_000)
        assert 0 < next(container.decode(video=0)).time <= 3


def test_the_file_plays_while_it_grows(tmp_path):
    """After every piece, what is there are whole fragments; they are behind by the encoder's lookahead."""
    writer = VideoWriter(tmp_path / "a.mp4", SIZE, waveform_track(tone(160000, 16000), 16000))
    behind, before = [], b""
    for piece in range(10):
        writer.write(ramp(15 * piece, 15))
        writer.flush()
        there = writer.partial.read_bytes()
        assert there.startswith(before)
        before = there
        if there:
            behind.append(writer.num_frames - streams(writer.partial)["frames"])
    writer.abort()
    assert len(behind) >= 5
    assert max(behind) < 75


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path):
    target = tmp_path / "a.mp4"
    target.write_bytes(b"mine")
    with pytest.raises(MediaError, match="exists"):
        VideoWriter(target, SIZE)
    assert target.read_bytes() == b"mine"
    with pytest.raises(RuntimeError, match="sampler"):
        write_and_raise(VideoWriter(target, SIZE, overwrite=True), [5], RuntimeError("sampler"))
    assert target.read_bytes() == b"mine"
    with VideoWriter(target, SIZE, overwrite=True) as writer:
        writer.write(ramp(0, 5))
    assert streams(target)["frames"] == 5
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    ("name", "words"), [("a.avi", "ends in '.avi'"), ("no/a.mp4", "does not exist"), ("a", "has no suffix")]
)
def test_impossible_targets_are_refused(tmp_path, name, words):
    with pytest.raises(MediaError, match=words):
        VideoWriter(tmp_path / name, SIZE)
    assert names(tmp_path) == []


def test_impossible_frames_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"65 .* expected even numbers"):
        VideoWriter(tmp_path / "a.mp4", (65, 64))
    with pytest.raises(InputError, match="crf"):
        VideoWriter(tmp_path / "a.mp4", SIZE, crf=70)
    with pytest.raises(MediaError, match="no such file"):
        VideoWriter(tmp_path / "a.mp4", SIZE, tmp_path / "missing.wav")
    for frames, words in (
        (torch.zeros(2, 32, 32, 3), "expected"),
        (torch.zeros(2, *SIZE, 3, dtype=torch.int64), "floating point"),
        (torch.full((1, *SIZE, 3), float("nan")), "NaN"),
    ):
        with pytest.raises(InputError, match=words), VideoWriter(tmp_path / "a.mp4", SIZE) as writer:
            writer.write(frames)
    assert names(tmp_path) == []


def test_memory_stays_with_the_clip(tmp_path, monkeypatch):
    """The process grows by no more than a clip while fifty times as much is written."""
    monkeypatch.setattr("read_core.media.video._WAITING", 2_000_000)
    sound = waveform_track(tone(16000 * 20, 16000), 16000)
    with VideoWriter(tmp_path / "a.mp4", SIZE, sound) as writer:
        for _ in range(6):
            writer.write(torch.rand(25, *SIZE, 3))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(20):
            writer.write(torch.rand(25, *SIZE, 3))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 20_000  # KiB


def test_waiting_for_the_encoder_or_not_gives_the_same_file(tmp_path):
    for name, waits in (("a", True), ("b", False)):
        with VideoWriter(tmp_path / f"{name}.mp4", SIZE, waveform_track(tone(60000, 16000), 16000)) as writer:
            for start in range(0, 90, 9):
                writer.write(ramp(start, 9))
                if waits:
                    writer.flush()
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_frames_may_be_changed_after_they_were_passed(tmp_path):
    frames = ramp(0, 60)
    with VideoWriter(tmp_path / "a.mp4", SIZE, crf=1) as writer:
        writer.write(frames)
        frames.zero_()
    with av.open(str(tmp_path / "a.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.stack(pictures)[:, 0, 70, 0].min() > 150


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (2, 1), (8, 4), (64, 8)])
def test_x264_takes_half_of_the_cores_and_no_slices(tmp_path, monkeypatch, cores, threads):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    with VideoWriter(tmp_path / "talk.mp4", SIZE, crf=1) as writer:
        writer.write(ramp(0, 40))
    found = (tmp_path / "talk.mp4").read_bytes()  # x264 writes its settings into the video
    assert f" threads={threads} ".encode() in found
    assert b" sliced_threads=0 " in found
    with av.open(str(tmp_path / "talk.mp4")) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    wanted = (ramp(0, 40) * 255).numpy()
    assert [frame.shape for frame in frames] == [(*SIZE, 3)] * 40
    assert max(np.abs(a - b).mean() for a, b in zip(frames, wanted, strict=True)) < 4
