"""Head motion is seeded, smooth, of its stated strength, and does not depend on how frames are divided."""

from __future__ import annotations

import torch

from read_core.head.track import POSE, QUICKEST, STRENGTH, HeadTrack

MINUTES = 10 * 60 * 25  # frames


def test_the_same_seed_gives_the_same_motion_in_any_division():
    whole = HeadTrack(7).pose(0, 1000)
    pieces = [HeadTrack(7).pose(start, stop) for start, stop in ((0, 1), (1, 17), (17, 250), (250, 1000))]
    assert torch.equal(torch.cat(pieces), whole)
    assert not torch.equal(HeadTrack(8).pose(0, 1000), whole)


def test_it_starts_from_the_portrait_s_own_pose():
    for seed in range(5):
        pose = HeadTrack(seed).pose(0, 3)
        assert pose.shape == (3, len(POSE))
        assert not pose[0].any()
        assert (pose.abs() < 0.02 * torch.tensor(STRENGTH)).all()


def test_its_strength_is_the_stated_one_and_it_stays_around_the_portrait_s_pose():
    for seed in range(5):
        pose = HeadTrack(seed).pose(0, MINUTES)
        assert torch.allclose(pose.square().mean(0).sqrt(), torch.tensor(STRENGTH), rtol=0.05)
        assert (pose.mean(0).abs() < 0.05 * torch.tensor(STRENGTH)).all()


def test_it_is_slower_than_its_quickest_wave():
    pose = HeadTrack(1).pose(250, 250 + MINUTES)
    power = torch.fft.rfft(pose, dim=0).abs().square()
    frequencies = torch.fft.rfftfreq(MINUTES, 1 / 25)
    assert power[frequencies > 1.1 * QUICKEST].sum() < 0.01 * power.sum()


def test_hours_later_it_still_moves_smoothly():
    late = 10 * 60 * 60 * 25
    pose = HeadTrack(2).pose(late, late + 250)
    assert (pose.diff(dim=0).abs().amax(0) < torch.tensor(STRENGTH)).all()
    assert (pose.std(0) > 0.1 * torch.tensor(STRENGTH)).all()
