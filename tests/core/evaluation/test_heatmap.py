"""The maps of differences show a planted jump where it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.evaluation.heatmap import REACH, colour, difference_maps, save_heatmaps
from read_core.evaluation.pictures import save_rows


def jumping(last, size=32):
    """A still video whose right half brightens by 0.2 after frame ``last``."""
    video = torch.full((12, size, size, 3), 0.3)
    video[last + 1 :, :, size // 2 :] += 0.2
    return video


def test_a_jump_is_in_the_middle_map_on_its_side():
    maps = difference_maps(jumping(5), 5)
    assert maps.shape == (2 * REACH + 1, 32, 32)
    assert maps[REACH, :, 16:].min() == pytest.approx(0.2)
    assert maps[REACH, :, :16].max() == 0
    maps[REACH] = 0
    assert maps.max() == 0


def test_colours_rise_from_black_to_white():
    shades = colour(torch.linspace(0, 1, 50)[None])[0]
    assert shades[0].max() < 0.1
    assert shades[-1].min() > 0.85
    assert (shades.mean(dim=1).diff() > 0).all()


def test_all_videos_are_drawn_in_one_scale(tmp_path):
    path = tmp_path / "seams.png"
    brightest = save_heatmaps([("jump", jumping(5)), ("still", torch.zeros(12, 32, 32, 3))], 5, path)
    assert brightest == pytest.approx(0.2 * 255, rel=1e-3)
    image = torch.from_numpy(np.array(Image.open(path)))
    step = 128 + 4
    boundary = 170 + (2 + REACH) * step  # after the label and two frames
    jump, still = image[18:146, boundary : boundary + 128], image[150:278, boundary : boundary + 128]
    assert jump[:, 80:].float().mean() > 220
    assert jump[:, :48].float().mean() < 10
    assert still.float().mean() < 10


def test_rows_hold_pictures_of_any_size(tmp_path):
    rows = [("small", [torch.zeros(32, 32, 3)] * 3), ("wide", [torch.ones(64, 96, 3)])]
    save_rows(rows, tmp_path / "rows.png", side=40)
    assert Image.open(tmp_path / "rows.png").size == (170 + 3 * (60 + 4), 2 * (40 + 4))
