"""Portraits: reading any image and fitting it to the model's size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from ..checks import check_image, check_size
from ..errors import InputError, MediaError
from .files import check_input, open_input, reason

MIN_PORTRAIT = 16
FITS = ("crop", "pad", "stretch")
_WHAT = "an image (PNG, JPEG, WebP, TIFF ...) or a video, whose first frame is taken"
_MATTE = np.float32(0.5)
_PHONE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1"}

FloatImage = NDArray[np.float32]


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """Read an image, or the first frame of a video, upright.

    EXIF and display rotation are applied, 16-bit and floating-point images keep their precision, grey and
    palette images become RGB, and transparency is composited on mid grey.

    Returns:
        (H, W, 3) float32, 0..1.

    Raises:
        MediaError: no such file, not an image, damaged, or smaller than 16 pixels on a side.
    """
    path = check_input(path, _WHAT)
    try:
        with Image.open(path) as image:
            pixels = _pixels(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        pixels = _first_frame(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(
            f"{path} is a damaged or oversized image ({reason(error)}); expected {_WHAT}"
        ) from error
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_PORTRAIT:
        raise MediaError(
            f"{path} is {width} x {height} pixels; a portrait needs at least {MIN_PORTRAIT} x {MIN_PORTRAIT}"
        )
    if not np.isfinite(pixels).all():
        raise MediaError(f"{path} contains NaN or infinite pixels; expected values from 0 to 1")
    return torch.from_numpy(pixels.clip(0, 1))


def _pixels(image: Image.Image) -> FloatImage:
    """A Pillow image of any mode -> (H, W, 3), roughly 0..1."""
    if image.mode.startswith("I"):  # 16-bit grey, whatever its byte order
        return _grey(np.asarray(image).astype(np.float32) / np.float32(65535))
    if image.mode == "F":
        return _grey(np.asarray(image, np.float32))
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
        colour, alpha = rgba[..., :3], rgba[..., 3:]
        return _MATTE + (colour - _MATTE) * alpha
    return np.asarray(image.convert("RGB"), np.float32) / np.float32(255)


def _grey(values: FloatImage) -> FloatImage:
    return np.repeat(values[..., None], 3, axis=2)


def _first_frame(path: Path) -> FloatImage:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in _PHONE_BRANDS:
        raise MediaError(f"{path} is a HEIC photograph, which cannot be read; save it as JPEG or PNG first")
    with open_input(path, _WHAT) as container:
        if not container.streams.video:
            raise MediaError(f"{path} holds no picture ({container.format.long_name}); expected {_WHAT}")
        try:
            frame = next(container.decode(video=0), None)
        except av.error.FFmpegError as error:
            raise MediaError(f"{path} cannot be decoded ({reason(error)}); expected {_WHAT}") from error
        if frame is None:
            raise MediaError(f"{path} holds no frame; expected {_WHAT}")
        deep = frame.format.components[0].bits > 8
        values: NDArray[Any] = frame.to_ndarray(format="rgb48le" if deep else "rgb24")
    upright = np.rot90(values, k=round(frame.rotation / 90))
    return np.ascontiguousarray(upright).astype(np.float32) / np.float32(65535 if deep else 255)


def opaque(image: Tensor) -> Tensor:
    """(H, W, 3) or (H, W, 4), 0..1 -> (H, W, 3): transparency is composited on mid grey.

    Raises:
        InputError: a wrong shape or type, NaN or infinity.
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
        fit: "crop" keeps the largest centred box of the right shape, "pad" repeats the border pixels around
            the whole image, "stretch" ignores the aspect ratio.

    Returns:
        The (height, width, 3) image, and the box (left, top, right, bottom) in pixels of the original that it
        shows; with "pad" the box is larger than the original.

    Raises:
        InputError: an impossible size, an unknown ``fit`` or a tensor of another shape or type.
    """
    height, width = check_size(size)
    if image.ndim != 3 or image.shape[2] != 3 or not image.is_floating_point():
        raise InputError(
            f"image is {tuple(image.shape)} {image.dtype}; expected (H, W, 3) floating point, 0..1"
        )
    if fit not in FITS:
        raise InputError(f"fit is {fit!r}; expected one of {', '.join(FITS)}")
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
    batch = F.interpolate(batch, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
    box = (left, top, left + box_w, top + box_h)
    return rearrange(batch, "1 c h w -> h w c").contiguous(), box
