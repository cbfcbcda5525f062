"""The quick check finds what was planted in a video: mouths that follow, mouths that come late, drift."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import eye_boxes, mouth_box, render
from read_core.corpus.motion import neutral_motion, sample_motion
from read_core.errors import InputError
from read_core.evaluation.video_check import check_video, frame_loudness
from read_core.face.finder import Faces
from read_core.mouth.face_reader import box_places, place_points
from read_core.mouth.measure import mouth_opening

FRAMES = 60
RATE = 16_000


@pytest.fixture(scope="module")
def talk():
    """A drawn presenter whose mouth opens as loud as the sound is: (frames, loudness)."""
    time = torch.arange(FRAMES) / 25
    opening = (0.5 + 0.5 * torch.sin(2 * math.pi * 1.3 * time)) * (torch.sin(2 * math.pi * 0.4 * time) > -0.3)
    track = torch.stack([opening, torch.zeros(FRAMES), torch.zeros(FRAMES)], dim=1)
    motion = sample_motion(3, 200)
    motion = type(motion)(**{name: values[:FRAMES] for name, values in vars(motion).items()})
    motion = dataclasses.replace(motion, blink=torch.zeros(FRAMES))
    return render(sample_presenter(3, "test"), motion, track, 64), opening.clamp(min=0)


@pytest.fixture(scope="module")
def find():
    """Stands in for the face finder: where that presenter is in a picture of 64 pixels."""
    presenter, motion = sample_presenter(3, "test"), neutral_motion(1)
    points = place_points(box_places(eye_boxes(presenter, motion, 64), mouth_box(presenter, motion, 64)))
    return lambda image: Faces(torch.zeros(1, 4), points, torch.ones(1))


def test_a_mouth_that_follows(talk, find):
    frames, loudness = talk
    found = check_video(frames, loudness, window=16, find=find)
    assert found.follows > 0.8
    assert found.lag == 0
    assert found.opening.shape == (FRAMES,)
    assert math.isnan(found.seams.clips)  # one clip only
    assert found.likeness > 0.8


def test_a_mouth_that_comes_late(talk, find):
    frames, loudness = talk
    found = check_video(frames.roll(4, 0), loudness, window=16, find=find)
    assert found.lag == 4
    assert found.at_best_lag > found.follows + 0.1


def test_colors_that_drift_from_the_portrait(talk, find):
    frames, loudness = talk
    portrait = frames[0]
    steady = check_video(frames, loudness, 16, portrait, find)
    drifted = frames.clone()
    drifted[-25:] = (drifted[-25:] * 0.5 + torch.tensor([0.5, 0.0, 0.0])).clamp(0, 1)
    found = check_video(drifted, loudness, 16, portrait, find)
    assert found.color_drift > steady.color_drift + 20
    assert found.likeness < steady.likeness


def test_the_report_and_the_plot(talk, find):
    frames, loudness = talk
    found = check_video(frames, loudness, window=3, find=find)
    lines = found.text().splitlines()
    assert lines[0].startswith(f"mouth against loudness: r {found.follows:.2f}")
    assert not math.isnan(found.seams.clips)
    plot = found.plot()
    assert plot.ndim == 3
    assert plot.shape[2] == 3
    red = (plot[..., 0] - plot[..., 2]) > 0.4  # the mouth's line
    assert red.any(dim=0).float().mean() > 0.8  # reaches over the whole width


def test_without_a_face_the_mouth_is_read_as_drawn_presenters_are(talk):
    def nobody(image):
        return Faces(torch.zeros(0, 4), torch.zeros(0, 3, 2), torch.zeros(0))

    frames, loudness = talk
    found = check_video(frames, loudness, window=16, find=nobody)
    assert torch.equal(found.opening, mouth_opening(talk[0]))
    assert found.blinks is None
    assert "no face" in found.text()
    assert found.plot().ndim == 3


def test_blinks_of_a_found_face_are_counted(talk, find):
    frames, loudness = talk
    found = check_video(frames, loudness, window=16, find=find)
    assert found.blinks == 0
    assert found.text().splitlines()[-1] == "blinks: 0, 0 a minute"


def test_loudness_per_frame_is_the_root_mean_square():
    waveform = torch.cat([torch.full((2, 640), 0.5), torch.zeros(2, 640), torch.full((2, 640), -0.25)], dim=1)
    assert frame_loudness(waveform, RATE, 4).tolist() == pytest.approx([1.0, 0.0, 0.5, 0.0])


def test_loudness_at_a_rate_that_frames_do_not_divide():
    waveform = torch.ones(1, 44_100)
    assert frame_loudness(waveform, 44_100, 25).tolist() == pytest.approx([1.0] * 25)


@pytest.mark.parametrize("seconds", [0.8, 1.2])
def test_the_sound_of_other_frames(seconds):
    with pytest.raises(InputError, match=rf"25 frames last 1\.00 s, the sound {seconds:.2f} s; expected"):
        frame_loudness(torch.ones(1, round(RATE * seconds)), RATE, 25)


@pytest.mark.parametrize(("frames", "loudness"), [(9, 9), (20, 19)])
def test_too_short_or_of_another_length(frames, loudness):
    with pytest.raises(InputError, match="expected the same number, 10 or more"):
        check_video(torch.rand(frames, 32, 32, 3), torch.rand(loudness), 16)
