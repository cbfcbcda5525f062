"""The maps of differences show a planted jump where it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.evaluation.pictures.heatmap import REACH, colored, difference_maps, save_heatmaps
from read_core.evaluation.pictures.rows import save_rows


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


def test_colors_rise_from_black_to_white():
    shades = colored(torch.linspace(0, 1, 50)[None])[0]
    assert shades[0].max() < 0.1
    assert shades[-1].min() > 0.6
    assert shades[-1].max() > 0.95
    assert (shades.mean(dim=1).diff() > 0).all()


def test_the_mean_over_boundaries_is_drawn_in_one_scale(tmp_path):
    """One of the two boundaries jumps: half of its jump is the brightest of all, and white."""
    path = tmp_path / "seams.png"
    still = difference_maps(torch.zeros(12, 32, 32, 3), 5)
    jump = [difference_maps(jumping(5), 5), still]
    brightest = save_heatmaps([("jump", jump), ("still", [still, still])], path)
    assert brightest == pytest.approx(0.1 * 255, rel=1e-3)
    image = torch.from_numpy(np.array(Image.open(path)))
    step = 128 + 4
    boundary = 170 + REACH * step  # after the label
    rows = [image[18 + i * step : 18 + i * step + 128] for i in range(3)]
    seam, calm = (row[:, boundary : boundary + 128].float() for row in rows[:2])
    assert seam[:, 80:].mean() > 220
    assert seam[:, :48].mean() < 10
    assert calm.mean() < 10
    scale = rows[2][:, 170 : 170 + 128].float().mean((0, 2))
    assert (scale.diff()[4:-4] > 0).all()
    assert scale[2] < 20
    assert scale[-2] > 190


def test_rows_hold_pictures_of_any_size(tmp_path):
    rows = [("small", [torch.zeros(32, 32, 3)] * 3), ("wide", [torch.ones(64, 96, 3)])]
    save_rows(rows, tmp_path / "rows.png", side=40)
    assert Image.open(tmp_path / "rows.png").size == (170 + 3 * (60 + 4), 2 * (40 + 4))
