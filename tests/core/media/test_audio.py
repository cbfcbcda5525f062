"""Recordings of every kind: lengths to the sample, and tones that come out as they went in."""

from __future__ import annotations

import tracemalloc
import warnings
import wave

import av
import numpy as np
import pytest
import torch

from read_core.errors import InputError, MediaError, ReadWarning
from read_core.media import read_audio, resample


def tone(seconds, rate, frequency=440.0):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_wav(path, samples, rate, codec="pcm_f32le"):
    """samples (channels, n) float32 -> a WAV file."""
    samples = np.atleast_2d(samples)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[0]]
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if samples.shape[1]:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("rate", [7350, 8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_channels_become_16_khz_mono(tmp_path, rate, channels):
    write_wav(tmp_path / "a.wav", np.stack([tone(1.21, rate)] * channels), rate)
    waveform = read_audio(tmp_path / "a.wav")
    count = round(1.21 * rate)
    assert waveform.dtype == torch.float32
    assert waveform.shape == (-(-count * 16000 // rate),)
    error = waveform.numpy() - tone(len(waveform) / 16000, 16000)[: len(waveform)]
    assert np.abs(error[400:-400]).max() < 5e-3


def test_16_khz_mono_is_untouched(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    write_wav(tmp_path / "a.wav", samples, 16000)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav"), samples)


def test_left_and_right_are_averaged(tmp_path):
    left, right = tone(0.5, 16000, 300), tone(0.5, 16000, 700)
    write_wav(tmp_path / "a.wav", np.stack([left, right]), 16000)
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), (left + right) / 2, atol=1e-6)


def test_six_channels_are_mixed(tmp_path):
    write_wav(tmp_path / "a.wav", np.stack([tone(0.5, 48000)] * 6), 48000)
    assert read_audio(tmp_path / "a.wav").shape == (8000,)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le"])
def test_integer_samples_are_scaled(tmp_path, codec):
    write_wav(tmp_path / "a.wav", tone(0.3, 16000), 16000, codec)
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), tone(0.3, 16000), atol=1.5e-2)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_memory_and_files_take_the_same_road(tmp_path, rate, channels):
    samples = np.random.default_rng(1).uniform(-1, 1, (channels, 3 * rate + 17)).astype(np.float32)
    write_wav(tmp_path / "a.wav", samples, rate)
    from_memory = resample(torch.from_numpy(samples), rate)
    np.testing.assert_allclose(from_memory, read_audio(tmp_path / "a.wav"), atol=1e-6)


def test_resampling_agrees_with_torchaudio():
    functional = pytest.importorskip("torchaudio.functional")
    smooth = torch.from_numpy(tone(2, 44100, 440) + tone(2, 44100, 3000) * 0.3)
    ours = resample(smooth, 44100)
    theirs = functional.resample(smooth, 44100, 16000, lowpass_filter_width=64)
    assert ours.shape == theirs.shape
    assert (ours - theirs)[500:-500].abs().max() < 5e-3


def test_121_frames_stay_121_frames():
    for rate in (11025, 22050, 44100, 48000):
        assert resample(torch.from_numpy(tone(4.84, rate)), rate).shape == (121 * 640,)


def test_sound_of_a_video(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=44100, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([tone(1, 44100)] * 2), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 44100, 0
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        picture.pts = 0
        container.mux(video.encode(picture))
        container.mux(video.encode(None))
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    waveform = read_audio(tmp_path / "a.mp4")
    assert 16000 <= len(waveform) <= 16000 + 1024
    assert np.abs(waveform[1000:15000].numpy() - tone(1, 16000)[1000:15000]).max() < 0.05


@pytest.mark.parametrize("amplitude", [0.0, 3e-5])
def test_silence_is_a_warning(tmp_path, amplitude):
    write_wav(tmp_path / "quiet.wav", tone(1, 16000) * 2 * amplitude, 16000)
    with pytest.warns(ReadWarning, match=r"quiet\.wav is silent"):
        assert len(read_audio(tmp_path / "quiet.wav")) == 16000
    with pytest.warns(ReadWarning, match="silent"):
        resample(torch.zeros(2, 800), 48000)


def test_quiet_speech_is_no_warning(tmp_path):
    write_wav(tmp_path / "a.wav", tone(1, 16000) * 1e-3, 16000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_audio(tmp_path / "a.wav")


def text(path):
    path.write_text("[Script Info]\nhello\n" * 50)


def playlist(path):
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )


def noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(20_000))


def mute_video(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24"))
        )
        container.mux(stream.encode(None))


def header_only(path):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))


def with_value(value):
    def write(path):
        samples = tone(1, 44100)
        samples[20_000] = value
        write_wav(path, samples, 44100)

    return write


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (text, "expected a recording"),
        (playlist, "expected a recording"),
        (noise, "expected a recording"),
        (mute_video, "has no audio stream"),
        (header_only, "without any samples"),
        (with_value(np.nan), "NaN or infinite"),
        (with_value(-np.inf), "NaN or infinite"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(tmp_path, make, words):
    path = tmp_path / "speech.wav"
    make(path)
    with pytest.raises(MediaError) as caught:
        read_audio(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("waveform", "rate", "words"),
    [
        (torch.zeros(0), 16000, "no samples"),
        (torch.zeros(2, 0), 16000, "no samples"),
        (torch.zeros(1, 1, 100), 16000, "expected"),
        (torch.zeros(100, dtype=torch.int16), 16000, "floating point"),
        (torch.tensor([0.0, float("nan")]), 16000, "1 NaN"),
        (torch.tensor([0.0, float("inf"), -float("inf")]), 44100, "2 NaN or infinite"),
        (torch.zeros(100), 0, "sample_rate is 0"),
    ],
)
def test_unusable_waveforms_are_refused(waveform, rate, words):
    with pytest.raises(InputError, match=words):
        resample(waveform, rate)


def test_half_precision_and_strided_waveforms_are_taken():
    wave = torch.from_numpy(tone(1, 48000))
    assert resample(wave.half(), 48000).dtype == torch.float32
    strided = torch.stack([wave, wave], dim=1).T
    torch.testing.assert_close(resample(strided, 48000), resample(wave, 48000))


def test_names_with_colons_are_files(tmp_path):
    write_wav(tmp_path / "take.wav", tone(0.2, 16000), 16000)
    odd = (tmp_path / "take.wav").rename(tmp_path / "http:take 1.wav")
    assert len(read_audio(odd)) == 3200


def test_a_damaged_packet_is_left_out_with_a_warning(tmp_path):
    with av.open(str(tmp_path / "a.flac"), "w") as container:
        stream = container.add_stream("flac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (tone(4, 16000)[None] * 32767).astype(np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytearray((tmp_path / "a.flac").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    (tmp_path / "a.flac").write_bytes(bytes(data))
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert 8000 < len(read_audio(tmp_path / "a.flac")) <= 64000


def test_a_long_recording_is_held_once(tmp_path):
    seconds = 120
    write_wav(tmp_path / "long.wav", np.tile(tone(1, 48000), seconds), 48000, "pcm_s16le")
    tracemalloc.start()
    waveform = read_audio(tmp_path / "long.wav")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(waveform) == seconds * 16000
    assert peak < 1.3 * waveform.nbytes + 2e6
