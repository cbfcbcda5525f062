"""Motion: reproducible, smooth, small, neutral at first, with blinks of natural length and spacing."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from read_core.corpus.motion import Motion, neutral_motion, sample_motion
from read_core.errors import InputError

POSE = ("yaw", "pitch", "roll", "x", "y", "scale")


def speech_energy(frames: int) -> torch.Tensor:
    return (torch.sin(torch.arange(frames) / 9.0) > 0).float()


def test_shapes_and_types():
    motion = sample_motion(0, 33)
    for field in dataclasses.fields(Motion):
        track = getattr(motion, field.name)
        assert track.shape == ((33, 2) if field.name == "gaze" else (33,))
        assert track.dtype == torch.float32
    assert len(motion) == 33


def test_same_seed_gives_the_same_motion_and_another_seed_another():
    first, again, other = sample_motion(3, 100), sample_motion(3, 100), sample_motion(4, 100)
    for name in POSE:
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.allclose(getattr(first, name), getattr(other, name))


def test_the_training_split_keeps_its_stream():
    """The corpus of a training does not change under it."""
    motion = sample_motion(7, 100, split="train")
    found = [motion.yaw[50], motion.roll[80], motion.scale[99], motion.gaze[60, 0], motion.brows[90]]
    assert torch.stack(found).tolist() == pytest.approx(
        [0.0501260, 0.0448313, 0.0020001, 0.0389495, 0.1685063], abs=1e-6
    )
    assert (motion.blink > 0).nonzero()[0] == 19
    for name in Motion.__dataclass_fields__:
        assert torch.equal(getattr(sample_motion(7, 100), name), getattr(motion, name))


def test_no_split_moves_as_another():
    for seed in range(5):
        train, validation, test = (
            sample_motion(seed, 300, split=split) for split in ("train", "validation", "test")
        )
        for name in Motion.__dataclass_fields__:
            for one, other in ((train, validation), (train, test), (validation, test)):
                assert not torch.allclose(getattr(one, name), getattr(other, name))
    again = sample_motion(seed, 300, split="test")
    assert all(torch.equal(getattr(again, name), getattr(test, name)) for name in Motion.__dataclass_fields__)


@pytest.mark.parametrize("frames", [1, 2, 9, 121])
def test_frame_0_is_neutral(frames):
    for seed in range(20):
        motion = sample_motion(seed, frames, speech_energy(frames))
        for name in POSE:
            assert abs(float(getattr(motion, name)[0])) < 1e-6
        assert abs(float(motion.brows[0])) < 1e-6
        assert motion.blink[0] == 0
        assert motion.gaze[0].abs().max() < 0.1


def test_motion_is_small_and_smooth():
    speeds = []
    for seed in range(40):
        motion = sample_motion(seed, 500, speech_energy(500))
        assert motion.yaw.abs().max() <= 0.25
        assert motion.x.abs().max() <= 0.04
        assert motion.y.abs().max() <= 0.03
        assert motion.scale.abs().max() <= 0.04
        assert motion.gaze.abs().max() <= 1.0
        speed = 25 * (motion.x.diff() ** 2 + motion.y.diff() ** 2).sqrt()
        speeds.append(speed.mean())
        assert speed.max() < 0.09
        assert motion.yaw.diff().abs().max() < 0.02
    assert torch.stack(speeds).mean() < 0.03


def test_heads_do_move():
    spread = torch.stack([sample_motion(seed, 500).yaw.std() for seed in range(20)])
    assert spread.mean() > 0.02


def test_blinks_are_5_to_7_frames_long_and_2_to_6_seconds_apart():
    lengths, gaps = set(), []
    for seed in range(20):
        closing = (sample_motion(seed, 1500).blink > 0).int()
        edges = torch.nonzero(torch.diff(closing, prepend=torch.zeros(1, dtype=torch.int32))).flatten()
        starts, stops = edges[0::2], edges[1::2]
        lengths |= set((stops - starts[: len(stops)]).tolist())
        gaps += starts.diff().tolist()
    assert lengths == {5, 6, 7}
    assert min(gaps) >= 50
    assert max(gaps) <= 150


def test_loud_syllables_nod_and_raise_the_brows():
    energy = torch.zeros(200)
    energy[100:110] = 1.0
    quiet, loud = sample_motion(5, 200, torch.zeros(200)), sample_motion(5, 200, energy)
    assert (loud.pitch - quiet.pitch)[100:110].mean() > 0.005
    assert (loud.brows - quiet.brows)[100:110].mean() > 0.02


def test_neutral_motion_is_all_zero():
    motion = neutral_motion(4)
    assert all(not getattr(motion, field.name).any() for field in dataclasses.fields(Motion))
    assert len(motion) == 4


def test_bad_lengths_are_refused():
    with pytest.raises(InputError, match="0 frames"):
        sample_motion(0, 0)
    with pytest.raises(InputError, match=r"\(5,\).*\(8,\)"):
        sample_motion(0, 8, torch.zeros(5))
    with pytest.raises(InputError, match="split is 'dev'"):
        sample_motion(0, 8, split="dev")
