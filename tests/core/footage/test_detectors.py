"""Every detector gives the same record, whoever finds the face."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from read_core.errors import InputError
from read_core.footage.detectors import make_detector
from read_core.media import read_image

MODULES = {"own": "torch", "dlib": "dlib", "yuface": "yuface"}


@pytest.mark.parametrize("name", MODULES)
def test_the_face_of_a_photograph_is_found_with_its_points(name, photograph, photograph_points):
    pytest.importorskip(MODULES[name])
    picture = (read_image(photograph) * 255).round().byte().numpy()
    faces = make_detector(name)(picture)
    assert len(faces) == 1
    corners = photograph_points[[33, 133, 263, 362, 61, 291], :2]  # of the face mesh: eyes, mouth
    expected = corners.reshape(3, 2, 2).mean(dim=1)
    apart = float((expected[1] - expected[0]).norm())
    assert float((faces.points[0] - expected).norm(dim=1).max()) < 0.15 * apart
    left, top, right, bottom = faces.boxes[0].tolist()
    assert left < float(expected[:, 0].min()) < float(expected[:, 0].max()) < right
    assert top < float(expected[:, 1].min()) < float(expected[:, 1].max()) < bottom


@pytest.mark.parametrize("name", MODULES)
def test_a_wall_has_no_face(name):
    pytest.importorskip(MODULES[name])
    assert len(make_detector(name)(np.full((120, 160, 3), 90, np.uint8))) == 0


def test_the_largest_of_several_faces_comes_first(photograph):
    picture = read_image(photograph)
    small = torch.nn.functional.interpolate(picture.permute(2, 0, 1)[None], scale_factor=0.6, mode="area")
    both = torch.full((640, 512 + 308, 3), 0.4)
    both[:384, :307], both[:, 308:] = small[0].permute(1, 2, 0), picture
    faces = make_detector("own")((both * 255).byte().numpy())
    assert len(faces) == 2
    sides = faces.boxes[:, 2] - faces.boxes[:, 0]
    assert float(sides[0]) > float(sides[1])
    assert float(faces.points[0, :, 0].min()) > 308


def test_a_file_is_for_yunet_alone(tmp_path):
    with pytest.raises(InputError, match="wants no file"):
        make_detector("own", tmp_path / "x.onnx")
    with pytest.raises(InputError, match="--detector yunet FILE"):
        make_detector("yunet")


class YuNet:
    """cv2.FaceDetectorYN. Its rows: x, y, width, height, both eyes, nose, both corners of the mouth, score.

    The face's right eye comes first: it is left in the picture, unless the face is upside down.
    """

    rows = np.array(
        [
            [10, 20, 30, 40, 18, 30, 32, 34, 25, 40, 20, 48, 30, 52, 0.7],
            [200, 100, 60, 80, 250, 170, 210, 168, 230, 150, 245, 130, 215, 126, 0.9],
        ],
        np.float32,
    )

    def setInputSize(self, size):  # noqa: N802
        self.size = size

    def detect(self, picture):
        assert picture.flags.c_contiguous
        self.seen = picture
        return (1, None) if picture.max() < 100 else (1, self.rows)


def test_rows_of_yunet_become_faces_in_pixels_of_the_picture(tmp_path, monkeypatch):
    network, files = YuNet(), []

    def create(file, *_):
        files.append(file)
        return network

    fake = SimpleNamespace(FaceDetectorYN=SimpleNamespace(create=create), error=RuntimeError)
    monkeypatch.setitem(sys.modules, "cv2", fake)
    (tmp_path / "yunet.onnx").touch()
    detect = make_detector("yunet", tmp_path / "yunet.onnx")
    assert files == [str(tmp_path / "yunet.onnx")]
    picture = np.zeros((480, 1280, 3), np.uint8)
    picture[..., 0] = 200  # red
    faces = detect(picture)
    assert network.size == (640, 240)  # width, height; half of the picture
    assert network.seen.shape == (240, 640, 3)
    assert network.seen[0, 0].tolist() == [0, 0, 200]  # blue first
    assert faces.boxes.tolist() == [[400, 200, 520, 360], [20, 40, 80, 120]]  # the largest first
    assert faces.points.tolist() == [
        [[420, 336], [500, 340], [460, 256]],  # the eye on the left first, the middle of the mouth last
        [[36, 60], [64, 68], [50, 100]],
    ]
    assert faces.scores.tolist() == pytest.approx([0.9, 0.7])
    assert len(detect(np.full((120, 160, 3), 90, np.uint8))) == 0
    assert network.size == (160, 120)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    pytest.importorskip("cv2")
    (tmp_path / "x.onnx").write_bytes(b"no network")
    for name, told in (("x.onnx", "no ONNX file of YuNet"), ("y.onnx", "no such file")):
        with pytest.raises(InputError, match=told):
            make_detector("yunet", tmp_path / name)
