"""The script that reads folders of videos: figures by hand, and where tracks and frames come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import read_faces
import torch
from safetensors.torch import save_file

from read_core.errors import InputError
from read_core.evaluation.metrics.face import FaceTracks
from read_core.media import VideoWriter

FRAMES = 40


@pytest.fixture
def tracks():
    """An opening that rises from 0 to 1, and one blink."""
    opening = torch.arange(FRAMES) / (FRAMES - 1)
    mouth = torch.stack([opening, 0.5 - opening, torch.zeros(FRAMES)], dim=1)
    lids = torch.zeros(FRAMES, 2)
    lids[10:13] = 1.0
    return FaceTracks(mouth, lids, torch.zeros(len(mouth), 3, 2))


def test_figures_against_a_track(tracks):
    truth = {"mouth": 0.5 * tracks.mouth * torch.tensor([1.0, -1.0, 1.0]), "blink": tracks.blink}
    figures = read_faces.compare(tracks, truth)
    assert (figures.frames, figures.blinks, figures.true_blinks) == (FRAMES, 1, 1)
    assert (figures.opening, figures.width, figures.rounding) == pytest.approx((1, -1, 0))
    assert (figures.span, figures.true_span) == pytest.approx((0.9, 0.45))
    assert figures.lids == pytest.approx(1)


def test_a_shorter_track_of_the_opening_alone(tracks):
    figures = read_faces.compare(tracks, {"mouth": 1 - tracks.mouth[:30, :1]})
    assert figures.opening == pytest.approx(-1)
    assert math.isnan(figures.width)
    assert math.isnan(figures.true_blinks)
    assert figures.span == pytest.approx(0.9)


def test_tracks_are_found_by_the_video_s_name(tmp_path):
    np.save(tmp_path / "talk.npy", np.arange(3))
    assert read_faces.find_track(tmp_path / "talk.mp4", tmp_path) == tmp_path / "talk.npy"
    assert read_faces.load_track(tmp_path / "talk.npy")["mouth"].flatten().tolist() == [0, 1, 2]
    assert read_faces.find_track(tmp_path / "other.mp4", tmp_path) is None
    assert read_faces.find_track(tmp_path / "talk.mp4", None) is None
    assert read_faces.find_track(tmp_path / "own.safetensors", None) == tmp_path / "own.safetensors"


def test_frames_of_both_kinds_of_videos(tmp_path):
    frames = torch.full((4, 64, 64, 3), 51, dtype=torch.uint8)
    save_file({"frames": frames}, tmp_path / "a.safetensors")
    with VideoWriter(tmp_path / "a.mp4", (64, 64)) as writer:
        writer.write(frames / 255)
    for name in ("a.safetensors", "a.mp4"):
        read = read_faces.load_frames(tmp_path / name)
        assert read.shape == (4, 64, 64, 3)
        assert read.mean().item() == pytest.approx(0.2, abs=0.02)


def test_a_folder_without_videos(tmp_path):
    with pytest.raises(InputError, match="no videos"):
        read_faces.read_folder(tmp_path)
