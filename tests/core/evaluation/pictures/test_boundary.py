"""The picture of frames and differences around a seam, of videos whose differences are known."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from read_core.errors import MediaError
from read_core.evaluation.pictures.boundary import save_boundary, shown_frames
from read_core.media import VideoWriter

pytest.importorskip("matplotlib")


def write(path, jump):
    """33 gray frames that become brighter by ``jump`` of 255 after frame 16, on the right half only."""
    frames = torch.full((33, 32, 32, 3), 60 / 255)
    frames[17:, :, 16:] += jump / 255
    with VideoWriter(path, (32, 32), crf=0) as video:
        video.write(frames)
    return path


def test_the_frames_are_those_of_the_papers_figure():
    assert [index + 1 for index in shown_frames(120, 233)] == [41, 81, 121, 122, 162, 202]
    assert shown_frames(24, 30, 10) == [4, 14, 24, 25]


def test_all_videos_have_one_scale_whose_white_is_the_largest_jump(tmp_path):
    videos = [("smooth", write(tmp_path / "a.mp4", 0), 16), ("torn", write(tmp_path / "b.mp4", 90), 16)]
    white = save_boundary(videos, 33, tmp_path / "fig.png")
    assert white == pytest.approx(90, abs=6)
    picture = Image.open(tmp_path / "fig.png")
    assert picture.height > picture.width / 2  # four rows


def test_a_video_that_is_too_short_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"a.mp4 has no frame 41"):
        save_boundary([("", write(tmp_path / "a.mp4", 0), 40)], 60, tmp_path / "fig.png")
