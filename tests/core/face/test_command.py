"""``read-core face``: what it prints and draws, and bad input."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from read_core.cli.main import BAD_INPUT, main
from read_core.face.material import drawn_presenters


@pytest.fixture
def portrait(tmp_path):
    (face,) = drawn_presenters(1, "test", 11)
    face.picture.save(tmp_path / "portrait.png")
    return tmp_path / "portrait.png", face.points


def test_it_prints_and_draws_the_face(portrait, tmp_path, capsys):
    path, points = portrait
    out = tmp_path / "drawn.png"
    assert main(["face", str(path), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "1 face found" in said
    numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", said.splitlines()[2])]
    np.testing.assert_allclose(numbers[-6:], points.ravel(), atol=0.1 * (points[1, 0] - points[0, 0]))
    before, after = (np.asarray(Image.open(file).convert("RGB"), int) for file in (path, out))
    changed = np.abs(before - after).sum(2) > 60
    assert before.shape == after.shape
    assert 0.001 < changed.mean() < 0.1
    for x, y in points:
        assert changed[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].any()


def test_no_face_is_no_error(tmp_path, capsys):
    Image.new("RGB", (80, 60), (10, 90, 30)).save(tmp_path / "plain.png")
    assert main(["face", str(tmp_path / "plain.png")]) == 0
    assert "0 faces found" in capsys.readouterr().out


def test_bad_input_is_told_in_one_line(portrait, tmp_path, capsys):
    path, _ = portrait
    for arguments, word in (
        ([str(tmp_path / "none.png")], "no such file"),
        ([str(path), "--out", str(path), "--overwrite"], "overwritten"),
        ([str(path), "--out", str(tmp_path / "drawn.gif")], ".png"),
    ):
        assert main(["face", *arguments]) == BAD_INPUT
        assert word in capsys.readouterr().err
