"""Tracks of files as they are found: with gaps, several, of many channels, of another scale, damaged."""

from __future__ import annotations

import warnings
import wave
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from read_core.errors import MediaError, ReadWarning
from read_core.media import file_track, read_audio, resample, waveform_track

RATE = 16000
BLOCK = 320  # samples, 20 ms


def tone(seconds, frequency=440.0, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write(path, samples, codec, kept=lambda t: True, time=lambda t: t, rate=RATE, video=0.0):
    """Write samples (n,) in blocks of 20 ms: those that ``kept`` says, at the time that ``time`` says."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25) if video else None
        stream = container.add_stream(codec, rate=rate, layout="mono")
        block = rate // 50
        if picture:
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
            for index in range(round(video * 25)):
                frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        for start in range(0, len(samples), block):
            if not kept(start / rate):
                continue
            piece = np.ascontiguousarray(samples[None, start : start + block])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
            for converted in resampler.resample(frame_at(frame, rate, time(start / rate))):
                container.mux(stream.encode(converted))
        container.mux(stream.encode(None))


def frame_at(frame, rate, seconds):
    frame.sample_rate, frame.pts, frame.time_base = rate, round(seconds * rate), Fraction(1, rate)
    return frame


def quietly(path, number=None):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_audio(path, number=number).numpy()


def loud(waveform, start, stop):
    return np.sqrt(np.square(waveform[round(start * RATE) : round(stop * RATE)]).mean())


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.mka", "flac")])
def test_time_without_packets_is_silence(tmp_path, name, codec):
    write(tmp_path / name, tone(2), codec, kept=lambda t: not 0.699 < t < 1.399)
    with pytest.warns(ReadWarning, match=r"0\.70 s without sound packets became silence"):
        waveform = read_audio(tmp_path / name).numpy()
    assert abs(len(waveform) - 2 * RATE) <= 16  # Matroska rounds to a millisecond
    assert loud(waveform, 0.02, 0.68) > 0.3
    assert loud(waveform, 0.72, 1.38) < 1e-3
    assert loud(waveform, 1.42, 1.98) > 0.3


def test_the_sound_kept_in_the_video_has_the_same_gaps(tmp_path):
    write(tmp_path / "a.mkv", tone(2), "pcm_s16le", kept=lambda t: not 0.699 < t < 1.399)
    track = file_track(tmp_path / "a.mkv")
    with pytest.warns(ReadWarning):
        sound = np.concatenate(list(track.chunks()), axis=1)[0]
    with pytest.warns(ReadWarning):
        np.testing.assert_allclose(sound, read_audio(tmp_path / "a.mkv"), atol=1e-6)


def test_sound_that_begins_after_the_picture_begins_late(tmp_path):
    write(tmp_path / "a.mkv", tone(1), "pcm_s16le", time=lambda t: t + 0.5, video=2.0)
    with pytest.warns(ReadWarning, match=r"0\.50 s without"):
        waveform = read_audio(tmp_path / "a.mkv").numpy()
    assert abs(len(waveform) - 1.5 * RATE) <= 16
    assert loud(waveform, 0, 0.48) < 1e-3
    assert loud(waveform, 0.52, 1.48) > 0.3


def test_a_clock_that_runs_off_is_no_gap(tmp_path):
    write(tmp_path / "a.mkv", tone(8), "pcm_s16le", time=lambda t: 1.02 * t)
    assert len(quietly(tmp_path / "a.mkv")) == 8 * RATE


def test_timestamps_that_leap_are_no_gap(tmp_path):
    write(tmp_path / "a.mkv", tone(2), "pcm_s16le", time=lambda t: t + 90_000 * (t >= 1))
    assert len(quietly(tmp_path / "a.mkv")) == 2 * RATE


def test_a_gap_after_a_leap_is_still_one(tmp_path):
    write(
        tmp_path / "a.mkv",
        tone(3),
        "pcm_s16le",
        kept=lambda t: not 1.999 < t < 2.499,
        time=lambda t: t + 90_000 * (t >= 1),
    )
    with pytest.warns(ReadWarning, match=r"0\.50 s without"):
        assert abs(len(read_audio(tmp_path / "a.mkv")) - 3 * RATE) <= 16


@pytest.mark.parametrize("count", [3, 9, 11, 32])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_channels_that_are_nowhere_are_averaged(tmp_path, count, width):
    samples = np.zeros((RATE, count))
    samples[:, -1] = tone(1)
    steps = 2 ** (8 * width - 1)
    coded = np.round(samples * (steps - 1))
    data = (coded + 128).astype(np.uint8) if width == 1 else coded.astype(f"<i{width}")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((count, width, RATE, 0, "NONE", ""))
        file.writeframes(data.tobytes())
    np.testing.assert_allclose(quietly(tmp_path / "a.wav"), tone(1) / count, atol=1.5 / steps)
    assert file_track(tmp_path / "a.wav").channels == 1


@pytest.fixture
def three_tracks(tmp_path):
    """Tones of 300, 600 and 900 Hz; the second is flagged as default, Russian and called "Film"."""
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        streams = [container.add_stream("flac", rate=RATE, layout="mono") for _ in range(3)]
        for number, stream in enumerate(streams):
            stream.disposition = int(number == 1)  # 1: default
        streams[1].metadata.update({"language": "rus", "title": "Film"})
        for number, stream in enumerate(streams, 1):
            samples = (tone(1, 300 * number)[None] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            container.mux(stream.encode(frame_at(frame, RATE, 0)))
            container.mux(stream.encode(None))
    return tmp_path / "a.mkv"


def test_the_track_flagged_as_default_is_taken_and_named(three_tracks):
    with pytest.warns(ReadWarning, match=r"3 audio tracks; track 2 \(rus, Film\) is used"):
        np.testing.assert_allclose(read_audio(three_tracks), tone(1, 600), atol=1e-3)


def test_any_track_can_be_chosen(three_tracks):
    for number in (1, 2, 3):
        np.testing.assert_allclose(quietly(three_tracks, number), tone(1, 300 * number), atol=1e-3)
    for number in (0, 4):
        with pytest.raises(MediaError, match=f"3 audio tracks; there is no track {number}"):
            read_audio(three_tracks, number=number)


def test_samples_of_another_scale_are_scaled_in_every_road(tmp_path):
    write(tmp_path / "a.wav", 64 * tone(1), "pcm_f32le")
    with pytest.warns(ReadWarning, match=r"up to 32; expected -1 to 1, so it was divided by 32"):
        np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), 2 * tone(1), atol=1e-6)
    waveform = torch.from_numpy(64 * tone(1))
    with pytest.warns(ReadWarning, match="divided by 32"):
        np.testing.assert_allclose(resample(waveform, RATE), 2 * tone(1), atol=1e-6)
    with pytest.warns(ReadWarning, match="divided by 32"):
        chunks = list(waveform_track(waveform, RATE).chunks())
    np.testing.assert_allclose(np.concatenate(chunks, axis=1)[0], 2 * tone(1), atol=1e-6)


def test_a_waveform_that_is_prepared_keeps_its_scale():
    waveform = torch.from_numpy(6 * tone(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(resample(waveform, 16_000, rescale=False), waveform)


def test_loud_samples_of_the_usual_scale_are_kept(tmp_path):
    write(tmp_path / "a.wav", 6 * tone(1), "pcm_f32le")
    np.testing.assert_allclose(quietly(tmp_path / "a.wav"), 6 * tone(1), atol=1e-6)


@pytest.fixture
def recording(tmp_path):
    write(
        tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE).astype(np.float32), "flac"
    )
    return tmp_path / "a.flac"


def test_what_follows_damage_stays_in_its_place(recording):
    whole = quietly(recording)
    data = bytearray(recording.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    recording.write_bytes(bytes(data))
    with pytest.warns(ReadWarning, match="became silence"):
        waveform = read_audio(recording).numpy()
    np.testing.assert_array_equal(waveform[-RATE:], whole[-RATE:])


def test_a_recording_that_ends_early_is_told(recording):
    data = recording.read_bytes()
    recording.write_bytes(data[: len(data) // 2])
    with pytest.warns(ReadWarning, match=r"s of the declared 4\.00 s could be decoded"):
        read_audio(recording)
