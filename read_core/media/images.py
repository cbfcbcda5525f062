"""Read portraits from any image and fit them to the model's size."""

from __future__ import annotations

import io
import math
import os
import warnings
from pathlib import Path
from typing import IO

import av
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from ..checks import check_image, check_size
from ..errors import InputError, MediaError, OnWarning, ignore, once, warn
from ..limits import PLAIN_FITS
from ..pictures import antialiased
from .files import check_input, open_input, reason
from .square import SquarePixels

MIN_PORTRAIT = 16
_WHAT = "an image (PNG, JPEG, WebP, TIFF ...) or a video, whose first frame is used"
_MATTE = np.float32(0.5)
_DRAFT_PIXELS = 64_000_000  # larger JPEGs are shrunk while they are decoded
_MISSING_END = 0.01  # largest share of pixels that may be missing at a JPEG's end
_BRIGHTEST = 16.0  # higher floating-point pixels mean another scale, not highlights
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PHONE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1"}

FloatImage = NDArray[np.float32]


def read_image(path: str | os.PathLike[str], on_warning: OnWarning = warn) -> Tensor:
    """Read an image, or the first frame of a video, upright and with square pixels.

    Applies EXIF and display rotation, and converts color profiles to sRGB. 16-bit and floating-point images
    keep their precision; gray and palette images become RGB. Composites transparency on mid gray. Shrinks
    JPEGs beyond 64 megapixels while reading. Warns of everything that it had to guess.

    Returns:
        (H, W, 3) float32, 0..1.

    Raises:
        MediaError: the file is missing, not an image, damaged, too large, or smaller than 16 pixels on a
            side.
    """
    path, on_warning = check_input(path, _WHAT), once(on_warning)
    try:
        pixels = _decoded(path, path, on_warning)
    except UnidentifiedImageError:
        pixels = _first_frame(path)
    except Image.DecompressionBombError as error:
        most = 2e-6 * (Image.MAX_IMAGE_PIXELS or 0)
        raise MediaError(f"{path} has more than {most:.0f} megapixels; make it smaller first") from error
    except (OSError, RuntimeError, ValueError, SyntaxError) as error:
        almost = _truncated_jpeg(path, on_warning)
        if almost is None:
            raise MediaError(f"{path} is a damaged image ({reason(error)}); expected {_WHAT}") from error
        pixels = almost
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_PORTRAIT:
        raise MediaError(
            f"{path} is {width} x {height} pixels; a portrait needs at least {MIN_PORTRAIT} x {MIN_PORTRAIT}"
        )
    if not np.isfinite(pixels).all():
        raise MediaError(f"{path} contains NaN or infinite pixels; expected values from 0 to 1")
    return torch.from_numpy(pixels.clip(0, 1))


def _decoded(source: Path | IO[bytes], path: Path, on_warning: OnWarning) -> FloatImage:
    """Decode an image file, or its bytes, as (H, W, 3), roughly 0..1."""
    with _opened(source) as image:
        pixels = image.width * image.height
        if isinstance(image, JpegImagePlugin.JpegImageFile) and pixels > _DRAFT_PIXELS:
            shrink = 2 ** math.ceil(math.log2(pixels / _DRAFT_PIXELS) / 2)
            image.draft(None, (-(-image.width // shrink), -(-image.height // shrink)))
        upright = _in_srgb(ImageOps.exif_transpose(image), path, on_warning)
        return _pixels(upright, path, on_warning)


def _opened(source: Path | IO[bytes]) -> Image.Image:
    """Open an image. Open very large images only if they are JPEGs, whose decoder can shrink them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(source)
        except Image.DecompressionBombError:
            if not isinstance(source, Path):
                source.seek(0)
            try:
                return JpegImagePlugin.JpegImageFile(source)
            except SyntaxError:
                pass
            raise


def _truncated_jpeg(path: Path, on_warning: OnWarning) -> FloatImage | None:
    """The picture of a JPEG whose last bytes are missing; None: more is missing, or it is not a JPEG.

    Decodes the file with two different endings. The pictures differ only where data is missing.
    """
    data = path.read_bytes()
    if not data.startswith(_JPEG_START):
        return None
    filler = bytes(range(255)) * (len(data) // 255 + 1)
    try:
        one = _decoded(io.BytesIO(data + _JPEG_END), path, on_warning)
        other = _decoded(io.BytesIO(data + filler + _JPEG_END), path, ignore)
    except (Image.DecompressionBombError, OSError, RuntimeError, ValueError, SyntaxError):
        return None
    if (one != other).any(axis=-1).mean() > _MISSING_END:
        return None
    on_warning(f"{path} lacks its last bytes; the picture is still used")
    return one


def _in_srgb(image: Image.Image, path: Path, on_warning: OnWarning) -> Image.Image:
    """Convert an image to sRGB if it has another color profile."""
    data = image.info.get("icc_profile")
    if not data or image.mode.startswith(("I", "F", "1")):
        return image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        mode = _PROFILE_MODES.get(profile.profile.xcolor_space.strip())
        if "sRGB" in ImageCms.getProfileDescription(profile) or (mode == "CMYK") != (image.mode == "CMYK"):
            return image
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image.convert(mode), profile, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ImportError, ValueError) as error:
        on_warning(f"{path} has a color profile that cannot be applied ({reason(error)}); treated as sRGB")
        return image
    assert converted is not None
    if image.has_transparency_data:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


def _pixels(image: Image.Image, path: Path, on_warning: OnWarning) -> FloatImage:
    """A Pillow image of any mode -> (H, W, 3), roughly 0..1."""
    if image.mode.startswith("I;"):  # 16-bit gray, in any byte order
        return _gray(np.asarray(image).astype(np.float32) / np.float32(65535))
    if image.mode in {"I", "F"}:
        values = np.asarray(image, np.float32)
        return _gray(values / np.float32(_white_level(float(values.max()), image.mode, path, on_warning)))
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
        color, alpha = rgba[..., :3], rgba[..., 3:]
        return _MATTE + (color - _MATTE) * alpha
    return np.asarray(image.convert("RGB"), np.float32) / np.float32(255)


def _white_level(brightest: float, mode: str, path: Path, on_warning: OnWarning) -> float:
    """The value of white in 32-bit pixels, not stored in files: 1, or the maximum of 8, 16 or 31 bits."""
    if mode == "F" and not brightest > _BRIGHTEST:
        return 1.0
    white = next((top for top in (255.0, 65535.0) if brightest <= top), 2.0**31 - 1)
    if mode == "F" and math.isfinite(brightest):
        on_warning(f"{path} has pixels up to {brightest:g}; expected 0 to 1, so {white:g} is used as white")
    return white


def _gray(values: FloatImage) -> FloatImage:
    return np.repeat(values[..., None], 3, axis=2)


def _first_frame(path: Path) -> FloatImage:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in _PHONE_BRANDS:
        raise MediaError(f"{path} is a HEIC photograph, which cannot be read; save it as JPEG or PNG first")
    with open_input(path, _WHAT) as container:
        if not container.streams.video:
            raise MediaError(f"{path} contains no picture ({container.format.long_name}); expected {_WHAT}")
        try:
            frame = next(container.decode(video=0), None)
            if frame is None:
                raise MediaError(f"{path} contains no frame; expected {_WHAT}")
            deep = frame.format.components[0].bits > 8
            aspect = container.streams.video[0].sample_aspect_ratio
            values = SquarePixels(aspect, "rgb48le" if deep else "rgb24")(frame)
        except (av.error.FFmpegError, OSError) as error:
            raise MediaError(f"{path} cannot be decoded ({reason(error)}); expected {_WHAT}") from error
    upright = np.rot90(values, k=round(frame.rotation / 90))
    return np.ascontiguousarray(upright).astype(np.float32) / np.float32(65535 if deep else 255)


def opaque(image: Tensor) -> Tensor:
    """(H, W, 3) or (H, W, 4), 0..1 -> (H, W, 3): transparency is composited on mid gray.

    Raises:
        InputError: wrong shape or type, NaN or infinity.
    """
    if check_image(image).shape[2] == 4:
        return torch.lerp(torch.full_like(image[..., :3], float(_MATTE)), image[..., :3], image[..., 3:])
    return image


def fit_image(
    image: Tensor, size: tuple[int, int], fit: str = "crop"
) -> tuple[Tensor, tuple[int, int, int, int]]:
    """Resize a portrait to the size of the video, antialiased.

    Args:
        image: (H, W, 3) float, 0..1.
        size: height and width of the result, multiples of 32.
        fit: "crop" keeps the largest centered box of the right shape, "pad" repeats the border pixels around
            the whole image, "stretch" ignores the aspect ratio.

    Returns:
        The (height, width, 3) image, and the box (left, top, right, bottom) that it shows, in pixels of the
            original. With "pad" the box is larger than the original.

    Raises:
        InputError: an impossible size, an unknown ``fit`` or a tensor of another shape or type.
    """
    height, width = check_size(size)
    if image.ndim != 3 or image.shape[2] != 3 or not image.is_floating_point():
        raise InputError(
            f"image is {tuple(image.shape)} {image.dtype}; expected (H, W, 3) floating point, 0..1"
        )
    if fit not in PLAIN_FITS:
        raise InputError(f"fit is {fit!r}; expected one of {', '.join(PLAIN_FITS)}")
    h, w = image.shape[:2]
    box_h, box_w = h, w
    if fit == "crop":
        box_h, box_w = min(h, max(1, round(w * height / width))), min(w, max(1, round(h * width / height)))
    elif fit == "pad":
        box_h, box_w = max(h, round(w * height / width)), max(w, round(h * width / height))
    top, left = (h - box_h) // 2, (w - box_w) // 2
    batch = rearrange(image.float(), "h w c -> 1 c h w")
    # Negative padding crops.
    edges = (-left, box_w - w + left, -top, box_h - h + top)
    batch = F.pad(batch, edges) if fit == "crop" else F.pad(batch, edges, mode="replicate")
    batch = antialiased(batch, (height, width)).clamp(0, 1)
    box = (left, top, left + box_w, top + box_h)
    return rearrange(batch, "1 c h w -> h w c").contiguous(), box
