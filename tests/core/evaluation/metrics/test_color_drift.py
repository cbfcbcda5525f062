"""Colors of videos whose middle and border change by known amounts."""

from __future__ import annotations

import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.metrics.color_drift import color_track, score_colors

SECONDS = 3


def video(middle):
    """Gray at the border; in the middle gray plus ``middle`` values of red in each second."""
    frames = torch.full((25 * SECONDS, 64, 64, 3), 100, dtype=torch.uint8)
    for second, more in enumerate(middle):
        frames[25 * second : 25 * (second + 1), 12:52, 12:52, 0] += more
    return frames


def test_drift_is_the_last_second_less_the_first_and_only_where_it_is():
    made, real = color_track(video((0, 30, 12))), color_track(video((0, 0, 0)))
    found = score_colors(made, real)
    assert found.drift == pytest.approx(12, abs=1e-3)
    assert found.border_drift == pytest.approx(0, abs=1e-3)
    assert found.apart == pytest.approx(14, abs=1e-3)  # (0 + 30 + 12) / 3
    assert found.border_apart == pytest.approx(0, abs=1e-3)


def test_only_frames_that_both_have_are_compared():
    made, real = color_track(video((6, 6, 60))), color_track(video((0, 0, 0))[:50])
    assert score_colors(made, real).apart == pytest.approx(6, abs=1e-3)


def test_a_video_without_frames_is_refused():
    with pytest.raises(InputError, match="a frame at least"):
        color_track([])
