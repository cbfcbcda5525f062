"""Face detectors of several packages behind one interface: ``detect(picture) -> Faces``.

``own`` needs nothing. ``dlib`` (HOG: frontal faces, fast; package dlib-bin) gives boxes, in which our own
network reads the points. ``yuface`` (package yuface) and ``yunet`` (a user's ONNX file, package
opencv-python-headless) give five points: both eyes, the nose, and both corners of the mouth.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..face.finder import Faces, find_faces, load_finder, read_twice
from ..media.frames import Pixels

Detect = Callable[[Pixels], Faces]
"""(H, W, 3) uint8 RGB -> faces, the largest first, points in pixels of the picture."""

_EYES, _MOUTH, _APART = 0.4, 0.78, 0.22  # places in a box of dlib: heights, half the distance of the eyes
_LIKELY = 0.6  # score of a face, for detectors that have no threshold of ours
_LONGEST = 640  # pixels of the longest side that these detectors are shown


def make_detector(name: str, file: Path | None = None, device: str | None = None) -> Detect:
    """The detector of that name.

    Args:
        name: ``own``, ``dlib``, ``yuface`` or ``yunet``.
        file: of ``yunet``, its ONNX file.
        device: where ``own`` runs.

    Raises:
        InputError: an unknown name, a package that is not installed, a file that is missing or not wanted.
    """
    if (name == "yunet") != (file is not None):
        wants = "wants its ONNX file: --detector yunet FILE" if name == "yunet" else "wants no file"
        raise InputError(f"the detector {name} {wants}")
    try:
        if name == "dlib":
            return _dlib()
        if name == "yuface":
            return _yuface()
        if name == "yunet" and file is not None:
            return _yunet(file)
    except ModuleNotFoundError as error:
        packages = {"dlib": "dlib-bin", "cv2": "opencv-python-headless"}
        package = packages.get(error.name or "", error.name)
        raise InputError(f"the detector {name} needs the package {package}: pip install {package}") from error
    if name != "own":
        raise InputError(f"detector is {name!r}; expected own, dlib, yuface or yunet")
    finder = load_finder().to(device or "cpu")
    return lambda picture: find_faces(_image(picture), device, finder=finder)


def _dlib() -> Detect:
    import dlib

    hog, finder = dlib.get_frontal_face_detector(), load_finder()

    def detect(picture: Pixels) -> Faces:
        small, scale = _shrunk(picture)
        found, scores, _ = hog.run(small, 1, 0.0)
        if not found:
            return _faces([], [], [])
        boxes = torch.tensor([[b.left(), b.top(), b.right(), b.bottom()] for b in found]) * scale
        side = boxes[:, 2:] - boxes[:, :2]
        middle = boxes[:, 0] + side[:, 0] / 2
        eyes, mouth = (boxes[:, 1] + share * side[:, 1] for share in (_EYES, _MOUTH))
        apart = _APART * side[:, 0]
        guess = torch.stack(
            [torch.stack(xy, -1) for xy in ((middle - apart, eyes), (middle + apart, eyes), (middle, mouth))],
            1,
        )
        with torch.inference_mode():
            points = read_twice(finder, _image(picture).permute(2, 0, 1), guess)
        return _faces(boxes.tolist(), points.tolist(), list(scores))

    return detect


def _yuface() -> Detect:
    import yuface

    def detect(picture: Pixels) -> Faces:
        small, scale = _shrunk(picture)
        scores, boxes, points = yuface.detect(np.ascontiguousarray(small[..., ::-1]), _LIKELY)
        return _faces_of_five_points(boxes, points, np.asarray(scores) / 100, scale)

    return detect


def _yunet(file: Path) -> Detect:
    import cv2

    if not file.is_file():
        raise InputError(f"{file}: no such file; expected YuNet's weights in ONNX")
    try:
        net = cv2.FaceDetectorYN.create(str(file), "", (320, 320), _LIKELY)
    except cv2.error as error:
        raise InputError(f"{file} is no ONNX file of YuNet ({error.err}); download it again") from error

    def detect(picture: Pixels) -> Faces:
        small, scale = _shrunk(picture)
        net.setInputSize((small.shape[1], small.shape[0]))
        found = net.detect(np.ascontiguousarray(small[..., ::-1]))[1]
        rows = np.zeros((0, 15), np.float32) if found is None else found
        return _faces_of_five_points(rows[:, :4], rows[:, 4:14], rows[:, 14], scale)

    return detect


def _faces_of_five_points(boxes: Any, points: Any, scores: Any, scale: float) -> Faces:
    """Faces of boxes (n, 4) as x, y, width, height, and five points (n, 10): eyes, nose, mouth's corners."""
    corners = np.asarray(boxes, np.float32).reshape(-1, 4) * scale
    corners[:, 2:] += corners[:, :2]
    five = np.asarray(points, np.float32).reshape(-1, 5, 2) * scale
    three = np.concatenate([_left_first(five[:, :2]), five[:, 3:].mean(axis=1, keepdims=True)], axis=1)
    return _faces(corners.tolist(), three.tolist(), list(scores))


def _left_first(eyes: Any) -> Any:
    order = eyes[:, :, 0].argsort(axis=1)
    return np.take_along_axis(eyes, order[:, :, None], axis=1)


def _faces(boxes: list[Any], points: list[Any], scores: list[Any]) -> Faces:
    """Records of any number of faces, the largest first."""
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    order = (corners[:, 2:] - corners[:, :2]).prod(dim=1).argsort(descending=True)
    places = torch.tensor(points, dtype=torch.float32).reshape(-1, 3, 2)
    likely = torch.tensor([float(score) for score in scores], dtype=torch.float32)
    return Faces(corners[order], places[order], likely[order])


def _shrunk(picture: Pixels) -> tuple[Pixels, float]:
    """The picture reduced to this size, and the pixels of the original per pixel of the result."""
    from PIL import Image

    scale = max(1.0, max(picture.shape[:2]) / _LONGEST)
    if scale == 1:
        return picture, 1.0
    size = round(picture.shape[1] / scale), round(picture.shape[0] / scale)
    small = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(small), scale


def _image(picture: Pixels) -> Tensor:
    return torch.from_numpy(picture).float() / 255
