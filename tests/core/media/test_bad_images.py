"""What is no portrait is refused by name."""

from __future__ import annotations

import av
import numpy as np
import pytest
from PIL import Image

from read_core.errors import MediaError
from read_core.media import images, read_image


def text(path):
    path.write_text("dear portrait\n" * 50)


def noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(20_000))


def truncated(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        path.with_suffix(".png")
    )
    path.with_suffix(".png").rename(path)
    path.write_bytes(path.read_bytes()[:3000])


def sound(path):
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))


def heic(path):
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(2000))


def test_a_huge_jpeg_without_its_end_is_refused_by_name(tmp_path, monkeypatch):
    path = tmp_path / "portrait.jpg"
    pixels = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[:9000])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    with pytest.raises(MediaError, match=r"portrait\.jpg is a damaged image"):
        read_image(path)


def raising(error):
    def call(*_):
        raise error

    return call


def test_an_image_that_pillow_cannot_decode_is_refused_by_name(tmp_path, monkeypatch):
    """Pillow raises RuntimeError for some AVIF files."""
    path = tmp_path / "portrait.png"
    Image.new("RGB", (64, 64)).save(path)
    monkeypatch.setattr(images, "_decoded", raising(RuntimeError("Invalid AVIF")))
    with pytest.raises(MediaError, match=r"portrait\.png is a damaged image .Invalid AVIF"):
        read_image(path)


def test_a_video_s_frame_that_cannot_be_converted_is_refused_by_name(tmp_path, monkeypatch):
    path = tmp_path / "portrait.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width = stream.height = 64
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        container.mux([*stream.encode(frame), *stream.encode(None)])
    monkeypatch.setattr("read_core.media.images.SquarePixels.__call__", raising(OSError("Invalid data")))
    with pytest.raises(MediaError, match=r"portrait\.mp4 cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (text, "expected an image"),
        (noise, "expected an image"),
        (truncated, "damaged"),
        (sound, "contains no picture"),
        (heic, "HEIC"),
        (lambda path: Image.new("RGB", (1, 1)).save(path), "1 x 1 pixels; a portrait needs at least 16 x 16"),
        (lambda path: Image.new("RGB", (300, 15)).save(path), "300 x 15 pixels"),
    ],
)
def test_what_is_no_portrait_is_refused_by_name(tmp_path, make, words):
    path = tmp_path / "portrait.png"
    make(path)
    with pytest.raises(MediaError) as caught:
        read_image(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
