"""Contact sheets: what is cut out around mouths, and which frames stand where."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.errors import MediaError
from read_core.evaluation.pictures.sheets import mouth_of, save_faces, save_mouths


@pytest.mark.parametrize(
    ("box", "corner"),
    [
        ((14.0, 22.0, 24.0, 28.0), (12, 18)),
        ((0.0, 0.0, 10.0, 6.0), (0, 0)),
        ((30.0, 40.0, 40.0, 48.0), (26, 34)),
    ],
)
def test_a_square_around_the_mouth_stays_in_the_picture(box, corner):
    """Boxes 10 pixels wide give squares of 14; the picture is 40 x 48 pixels."""
    across, down = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="xy")
    frame = torch.stack([across, down, torch.zeros_like(across)], dim=-1)
    cut = mouth_of(frame, torch.tensor(box))
    assert cut.shape == (14, 14, 3)
    assert tuple(cut[0, 0, :2].tolist()) == corner


def test_a_mouth_larger_than_the_picture_is_the_picture():
    frame = torch.rand(8, 8, 3)
    assert torch.equal(mouth_of(frame, torch.tensor([-4.0, -4.0, 12.0, 12.0])), frame)


def face(shade):
    """A sample of 19 frames that brighten from 0, beside coded and made ones of one shade each."""
    frames = (torch.arange(19.0) / 20)[:, None, None, None].expand(19, 16, 16, 3)
    boxes = torch.tensor([4.0, 6.0, 12.0, 10.0]).expand(19, 4)
    sample = SimpleNamespace(name="espeak-0", frames=frames, boxes=boxes)
    return sample, torch.full_like(frames, shade), torch.full_like(frames, shade / 2)


def test_rows_are_drawn_coded_and_generated_and_columns_are_moments(tmp_path):
    save_faces([face(0.4), face(0.8)], tmp_path / "faces.png")
    sheet = torch.from_numpy(np.array(Image.open(tmp_path / "faces.png"))).float() / 255
    middles = [
        [sheet[18 + 132 * row + 64, 170 + 132 * column + 64, 0].item() for column in range(10)]
        for row in range(6)
    ]
    brightening = [0.1 * column for column in range(10)]
    expected = [brightening, [0.4] * 10, [0.2] * 10, brightening, [0.8] * 10, [0.4] * 10]
    torch.testing.assert_close(torch.tensor(middles), torch.tensor(expected), atol=0.003, rtol=0)


def test_mouths_are_cut_from_drawn_and_coded_frames(tmp_path):
    save_mouths([face(0.4)], tmp_path / "mouths.png")
    sheet = torch.from_numpy(np.array(Image.open(tmp_path / "mouths.png"))).float() / 255
    assert sheet.shape[:2] == (18 + 2 * 100, 170 + 10 * 100)
    assert sheet[18 + 48, 170 + 948, 0] == pytest.approx(0.9, abs=0.003)
    assert sheet[118 + 48, 170 + 948, 0] == pytest.approx(0.4, abs=0.003)


def test_a_sheet_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(MediaError, match="nowhere"):
        save_faces([face(0.4)], tmp_path / "nowhere" / "faces.png")
