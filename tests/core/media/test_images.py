"""Portraits of every kind, against pixels that the test itself chose."""

from __future__ import annotations

import struct
import warnings
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from read_core.errors import MediaError, ReadWarning
from read_core.media import read_image


def test_png_is_read_exactly(tmp_path, gradient):
    Image.fromarray(gradient).save(tmp_path / "face.png")
    image = read_image(tmp_path / "face.png")
    assert image.dtype == torch.float32
    np.testing.assert_allclose(image.numpy(), gradient / 255, atol=1e-6)


def test_gray_becomes_three_equal_channels(tmp_path, gradient):
    Image.fromarray(gradient[..., 0]).save(tmp_path / "face.png")
    image = read_image(tmp_path / "face.png").numpy()
    np.testing.assert_allclose(image, np.repeat(gradient[..., :1], 3, axis=2) / 255, atol=1e-6)


def test_sixteen_bit_gray_keeps_its_precision(tmp_path):
    values = (np.arange(24 * 40, dtype=np.uint16) * 68).reshape(24, 40)
    Image.fromarray(values).save(tmp_path / "face.png")
    image = read_image(tmp_path / "face.png").numpy()
    np.testing.assert_allclose(image[..., 1], values / 65535, atol=1e-6)


def test_palette_is_looked_up(tmp_path):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 255, 128, 0])
    image.save(tmp_path / "face.gif")
    np.testing.assert_allclose(read_image(tmp_path / "face.gif")[5, 5], [1, 128 / 255, 0], atol=1e-6)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_on_mid_gray(tmp_path, mode):
    image = Image.new("RGBA", (20, 20), (255, 255, 255, 255)).convert(mode)
    image.putalpha(Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 10, axis=1).repeat(20, axis=0)))
    image.save(tmp_path / "face.png")
    pixels = read_image(tmp_path / "face.png")
    np.testing.assert_allclose(pixels[:, :10], 0.5, atol=1e-6)
    np.testing.assert_allclose(pixels[:, 10:], 1.0, atol=1e-6)


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("RGB", (20, 20), (200, 40, 40)).convert("CMYK").save(tmp_path / "face.jpg")
    np.testing.assert_allclose(read_image(tmp_path / "face.jpg")[9, 9] * 255, [200, 40, 40], atol=6)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: np.rot90(a, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_rotation_is_applied(tmp_path, gradient, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(gradient).save(tmp_path / "face.png", exif=exif)
    np.testing.assert_allclose(read_image(tmp_path / "face.png").numpy(), turn(gradient) / 255, atol=1e-6)


def write_clip(path, colors, rotation=0):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        if rotation:
            stream.set_display_rotation(rotation)
        for index, color in enumerate(colors):
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:, :32] = color
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_first_frame_of_a_video(tmp_path):
    write_clip(tmp_path / "face.mp4", [(255, 0, 0), (0, 0, 255)])
    image = read_image(tmp_path / "face.mp4")
    assert image.shape == (48, 64, 3)
    np.testing.assert_allclose(image[10, 10], [1, 0, 0], atol=0.05)
    np.testing.assert_allclose(image[10, 50], [0, 0, 0], atol=0.05)


@pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="this PyAV cannot write rotation"
)
def test_rotation_of_a_telephone_video_is_applied(tmp_path):
    write_clip(tmp_path / "face.mp4", [(255, 0, 0)] * 3, rotation=90)
    with av.open(str(tmp_path / "face.mp4")) as container:
        turned = next(container.decode(video=0)).rotation
    image = read_image(tmp_path / "face.mp4")
    assert image.shape == (64, 48, 3)
    assert abs(turned) == 90
    red_side = image[-10, 24] if turned == 90 else image[10, 24]  # counter-clockwise: the left side goes down
    np.testing.assert_allclose(red_side, [1, 0, 0], atol=0.05)


@pytest.mark.parametrize(
    ("aspect", "shape"), [((1, 2), (96, 64, 3)), ((2, 1), (48, 128, 3)), ((1, 1), (48, 64, 3))]
)
def test_pixels_of_a_video_become_square(tmp_path, aspect, shape):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        pixels = np.zeros((48, 64, 3), np.uint8)
        pixels[:24, :32] = 255
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    image = read_image(tmp_path / "a.mkv")
    assert image.shape == shape
    height, width = shape[0] // 2, shape[1] // 2
    np.testing.assert_allclose(image[: height - 4, : width - 4], 1, atol=0.05)
    np.testing.assert_allclose(image[height + 4 :], 0, atol=0.05)


@pytest.mark.parametrize(("standard", "kr", "kb"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114)])
def test_the_color_standard_of_a_video_is_heeded(tmp_path, standard, kr, kb):
    """A color coded by the definition of BT.709 and BT.601 comes back."""
    red, green, blue = color = np.array([0.7, 0.3, 0.2])
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    coded = 16 + 219 * luma, 128 + 112 * (blue - luma) / (1 - kb), 128 + 112 * (red - luma) / (1 - kr)
    frame = av.VideoFrame(64, 48, "yuv444p")
    for plane, value in zip(frame.planes, coded, strict=True):
        plane.update(bytes([round(value)]) * plane.buffer_size)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = standard, 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    np.testing.assert_allclose(read_image(tmp_path / "a.mkv")[20, 20], color, atol=0.01)


@pytest.mark.parametrize(("white", "factor"), [(255, 255), (60_000, 65_535), (1, 1), (3, 1)])
def test_floating_point_pixels_of_any_scale(tmp_path, white, factor):
    values = np.linspace(0, white, 24 * 40, dtype=np.float32).reshape(24, 40)
    Image.fromarray(values).save(tmp_path / "face.tiff")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = read_image(tmp_path / "face.tiff").numpy()
    np.testing.assert_allclose(image[..., 0], (values / factor).clip(0, 1), atol=1e-6)
    assert [str(w.message).split("so ")[-1] for w in caught] == [
        f"{factor} is used as white" for _ in range(factor > 1)
    ]


# Primaries of Adobe RGB (1998) and of sRGB, as XYZ under D50 in columns.


ADOBE = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])


SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def icc_profile(space, gamma=2.2):
    """A small ICC profile: ``RGB `` with the primaries of Adobe RGB, or ``GRAY``."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *np.round(np.array(values) * 65536).astype(int))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    name = b"Test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(79),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": xyz([0.9642, 1.0, 0.8249]),
    }
    if space == b"RGB ":
        tags |= {letter + b"XYZ": xyz(ADOBE[:, i]) for i, letter in enumerate((b"r", b"g", b"b"))}
        tags |= {letter + b"TRC": curve for letter in (b"r", b"g", b"b")}
    else:
        tags[b"kTRC"] = curve
    index, data, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        index += tag + struct.pack(">II", offset + len(data), len(value))
        data += padded
    head = struct.pack(">I4sI4s4s4s", offset + len(data), b"lcms", 0x02100000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return head[:128] + struct.pack(">I", len(tags)) + index + data


def encoded(linear):
    """sRGB's transfer function."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_color_profile_is_applied(tmp_path, mode):
    color = np.array([200, 120, 90])
    image = Image.new(mode, (20, 20), (*color, 255)[: len(mode)])
    image.save(tmp_path / "face.png", icc_profile=icc_profile(b"RGB "))
    expected = encoded(np.linalg.solve(SRGB, ADOBE @ (color / 255) ** 2.2))
    assert np.abs(expected - color / 255).max() > 0.05
    np.testing.assert_allclose(read_image(tmp_path / "face.png")[9, 9], expected, atol=0.008)


def test_a_profile_of_gray_is_applied(tmp_path):
    Image.new("L", (20, 20), 100).save(tmp_path / "face.png", icc_profile=icc_profile(b"GRAY", gamma=1.0))
    expected = encoded(np.full(3, 100 / 255))
    np.testing.assert_allclose(read_image(tmp_path / "face.png")[9, 9], expected, atol=0.008)


def test_a_damaged_profile_is_a_warning(tmp_path):
    Image.new("RGB", (20, 20), (200, 120, 90)).save(tmp_path / "face.png", icc_profile=b"no profile" * 30)
    with pytest.warns(ReadWarning, match="color profile that cannot be applied"):
        np.testing.assert_allclose(read_image(tmp_path / "face.png")[9, 9] * 255, [200, 120, 90], atol=1e-4)


def test_a_huge_jpeg_is_shrunk_and_another_huge_image_refused(tmp_path, monkeypatch):
    """200 megapixels against the limits of a smaller file: what counts is their ratio."""
    pixels = np.zeros((1600, 1250, 3), np.uint8)
    pixels[:, :625] = 255
    Image.fromarray(pixels).save(tmp_path / "face.jpg")
    Image.fromarray(pixels).save(tmp_path / "face.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 900_000)
    monkeypatch.setattr("read_core.media.images._DRAFT_PIXELS", 640_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(tmp_path / "face.jpg")
        assert image.shape == (800, 625, 3)
        np.testing.assert_allclose(image.mean((0, 1)), 0.5, atol=0.01)
        with pytest.raises(MediaError, match="more than 2 megapixels"):
            read_image(tmp_path / "face.png")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [60, 95])
def test_a_jpeg_without_its_last_bytes_is_taken(tmp_path, progressive, quality):
    pixels = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.jpg", progressive=progressive, quality=quality)
    whole = read_image(tmp_path / "face.jpg")
    data = (tmp_path / "face.jpg").read_bytes()
    for missing in (1, 2):
        (tmp_path / "face.jpg").write_bytes(data[:-missing])
        with pytest.warns(ReadWarning, match="lacks its last bytes"):
            torch.testing.assert_close(read_image(tmp_path / "face.jpg"), whole)
    for kept in (0.5, 0.9):
        (tmp_path / "face.jpg").write_bytes(data[: int(kept * len(data))])
        with pytest.raises(MediaError, match="damaged"):
            read_image(tmp_path / "face.jpg")
