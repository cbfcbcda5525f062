"""25 frames per second at other rates: which frame is shown when, and how long it all lasts."""

from fractions import Fraction

import av
import pytest
import torch

from read_core.errors import InputError
from read_core.media import VideoWriter, waveform_track
from read_core.media.rate import RATES, HeldFrames


def numbered(count):
    return torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(count, 2, 2, 3)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("pieces", [(1,), (53,), (1, 7, 8, 0, 37), (1,) * 53])
def test_a_frame_is_shown_from_its_time_until_the_next_is_due(fps, pieces):
    """Frame i lasts from i / 25 to (i + 1) / 25; frame j of the result is looked at from j / fps on."""
    held, frames = HeldFrames(fps), numbered(sum(pieces))
    shown = torch.cat([held(piece) for piece in frames.split(pieces)])[:, 0, 0, 0].tolist()
    expected, number = [], 0
    while (time := Fraction(number, fps)) < Fraction(len(frames), 25):
        expected.append(next(i for i in range(len(frames)) if Fraction(i + 1, 25) > time))
        number += 1
    assert shown == expected


def test_25_changes_nothing():
    frames = numbered(9)
    assert HeldFrames(25)(frames) is frames


def test_another_rate_is_refused():
    with pytest.raises(InputError, match="fps is 29"):
        HeldFrames(29)


@pytest.mark.parametrize("fps", [24, 60])
def test_a_file_of_another_rate_lasts_as_long_and_keeps_its_sound(tmp_path, fps):
    track = waveform_track(torch.full((1, 16000), 0.1), 16000)
    held = HeldFrames(fps)
    with VideoWriter(tmp_path / "rate.mp4", (64, 64), track, fps=fps) as writer:
        for piece in torch.rand(25, 64, 64, 3).split(7):
            writer.write(held(piece))
    assert writer.num_frames == fps
    with av.open(str(tmp_path / "rate.mp4")) as file:
        video, sound = file.streams.video[0], file.streams.audio[0]
        assert (video.frames, video.average_rate) == (fps, fps)
        assert video.duration * video.time_base == 1
        assert sound.duration * sound.time_base == 1
