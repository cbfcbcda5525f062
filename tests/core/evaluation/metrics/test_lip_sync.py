"""Distances, crops and shifts of SyncNet's figures, on vectors and pictures made to fit or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from read_core.errors import InputError
from read_core.evaluation.metrics.lip_sync import (
    crop_faces,
    follow_face,
    read_distances,
    score_lip_sync,
    sync_distances,
)
from read_core.evaluation.networks.syncnet import SyncNet
from read_core.face.finder import Faces


def vectors(count, seed=0):
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


def test_distances_are_torchs_of_shifted_vectors():
    lips, heard = vectors(9), vectors(9, 1)
    found = sync_distances(lips, heard, 3)
    assert found.shape == (9, 7)
    for row in range(9):
        for shift in range(-3, 4):
            there = 0 <= row + shift < 9
            other = heard[row + shift] if there else torch.zeros(16)
            expected = nn.functional.pairwise_distance(lips[None, row], other[None])
            assert float(found[row, shift + 3]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("early", [-6, 0, 4])
def test_the_offset_is_the_shift_of_the_sound(early):
    """The sound of frame i is at i - early, so it must be shifted by that to fit."""
    lips = vectors(60)
    figures = read_distances(sync_distances(lips, lips.roll(-early, 0)))
    assert figures.offset == early
    assert figures.windows == 60
    edge = abs(early) / 60  # of the frames have the sound of others
    assert figures.distance == pytest.approx(edge * 2**0.5 * 4, abs=0.3)
    assert figures.confidence > 3


def test_the_face_is_followed_and_gaps_are_filled():
    boxes = {0: [[0.0, 0, 10, 10], [50, 50, 60, 60]], 2: [[51.0, 50, 61, 60], [4, 0, 14, 10]], 3: []}

    def find(picture):
        found = torch.tensor(boxes.get(round(float(picture[0, 0, 0]) * 255), []))
        found = found.view(-1, 4)
        return Faces(found, torch.zeros(len(found), 3, 2), torch.ones(len(found)))

    frames = [torch.full((8, 8, 3), value, dtype=torch.uint8) for value in range(4)]
    followed = follow_face(frames, find)
    assert followed is not None
    assert followed[:, 0].tolist() == [0, 2, 4, 4]
    assert follow_face(frames[3:], find) is None


def test_the_crop_is_wider_and_longer_below_and_gray_outside():
    """Box of half 40 about (100, 90): columns 44 to 156, rows 50 to 162, each twice as large."""
    pytest.importorskip("scipy")
    across, down = torch.meshgrid(torch.arange(200), torch.arange(130), indexing="xy")
    frame = torch.stack((across, down, torch.zeros_like(down)), 2).byte()
    boxes = np.tile(np.array([[60.0, 50, 140, 130]]), (13, 1))
    crop = crop_faces([frame] * 13, boxes)[6].float()
    assert crop.shape == (224, 224, 3)
    places = torch.arange(10, 140) / 2 - 0.25
    assert (crop[10:140, 10:140, 0] - 44 - places[None]).abs().max() <= 0.76  # rounded
    assert (crop[10:140, 10:140, 1] - 50 - places[:, None]).abs().max() <= 0.76
    assert torch.equal(crop[163:], torch.full((61, 224, 3), 110.0))


def test_boxes_are_not_smoothed_over_fewer_frames_than_the_median_has():
    pytest.importorskip("scipy")
    frames = [torch.zeros(40, 40, 3, dtype=torch.uint8)] * 12
    with pytest.raises(InputError, match="13 or more"):
        crop_faces(frames, np.tile(np.array([[10.0, 10, 30, 30]]), (12, 1)))


class Seen(SyncNet):
    """Tells frame and sound by their values: faces hold their number, and the sound's energy is read."""

    def __init__(self):
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.zeros(1))
        self.lips, self.sounds = [], []

    def read_lips(self, x):
        self.lips.append(x)
        return torch.zeros(len(x), 1024)

    def read_sound(self, x):
        self.sounds.append(x)
        return torch.zeros(len(x), 1024)


def test_windows_are_five_frames_in_blue_green_red_and_their_fifth_of_a_second():
    crops = torch.zeros(30, 8, 8, 3, dtype=torch.uint8)
    crops[..., 0], crops[..., 2] = 200, torch.arange(30, dtype=torch.uint8)[:, None, None]
    samples = np.zeros(28 * 640, np.int16)
    samples[12 * 640 :] = 10_000
    network = Seen()
    assert score_lip_sync(network, crops, samples).windows == 28 - 5
    lips, sounds = torch.cat(network.lips), torch.cat(network.sounds)
    assert lips.shape == (23, 3, 5, 8, 8)
    assert sounds.shape == (23, 1, 13, 20)
    assert lips[7, 0, :, 0, 0].tolist() == [7, 8, 9, 10, 11]
    assert (lips[:, 2] == 200).all()
    loud = sounds[7, 0, 0] > 0  # frames 7 to 11 and nothing of 12, but what the last window reaches over
    assert not loud[:18].any()
    assert (sounds[12, 0, 0] > 0).all()


def test_too_short_a_video_is_refused():
    with pytest.raises(InputError, match="6 or more"):
        score_lip_sync(Seen(), torch.zeros(30, 8, 8, 3, dtype=torch.uint8), np.zeros(5 * 640, np.int16))
