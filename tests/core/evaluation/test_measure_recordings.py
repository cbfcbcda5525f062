"""scripts/measure_recordings.py: pauses, texts, and the figures of a known mouth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from measure_recordings import (
    LipsFigures,
    RecordingFigures,
    TextFigures,
    aims_of,
    pause_frames,
    read_texts,
    recording_figures,
    text_figures,
    text_of,
)


def test_a_pause_is_silent_for_nine_frames():
    loudness = torch.zeros(60)
    loudness[20:30] = 1.0
    loudness[45] = 0.04
    silent = pause_frames(loudness)
    assert silent[:16].all()
    assert not silent[16:34].any()
    assert silent[34:].all()


def test_figures_of_a_mouth_that_is_the_loudness_two_frames_late():
    time = torch.arange(200.0)
    loudness = torch.where(time < 150, (0.2 * time).sin().square(), torch.zeros(()))
    figures = recording_figures(0.1 + 0.5 * loudness.roll(2), loudness, 8.0)
    assert figures.lag == 2
    assert 0.7 < figures.follows < 1
    assert figures.quiet == pytest.approx(0.0, abs=0.01)
    assert figures.pauses == 46
    assert figures.span == pytest.approx(0.5, abs=0.02)


def test_a_mouth_that_stays_open_in_pauses_is_found():
    loudness = torch.cat([torch.ones(50), torch.zeros(50)])
    opening = torch.cat([torch.linspace(0, 1, 50), torch.full((50,), 0.5)])
    assert recording_figures(opening, loudness, 4.0).quiet == pytest.approx(0.5, abs=0.02)


def test_lips_that_are_the_text_and_lips_that_are_not():
    time = torch.arange(100.0)
    true = torch.stack([(0.3 * time).sin(), (0.5 * time).sin(), (0.7 * time).sin()], 1)
    figures = text_figures(torch.stack([true[:, 0], -true[:, 1], true[:, 0]], 1), true, torch.ones(100))
    assert figures.opening == pytest.approx(1.0)
    assert figures.width == pytest.approx(-1.0)
    assert abs(figures.rounding) < 0.1


def test_a_recording_has_the_text_of_its_longest_name(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("; prompts\nhello: Hello.\ndigits/hello: Hello, digits: two.\nempty:\n\n")
    texts = read_texts(file)
    assert texts == {"hello": "Hello.", "digits/hello": "Hello, digits: two."}
    assert text_of(Path("sounds/digits/hello.wav"), texts) == "Hello, digits: two."
    assert text_of(Path("hello.wav"), texts) == "Hello."
    assert text_of(Path("othello.wav"), texts) is None


def test_aims_leave_out_videos_without_a_pause():
    text = TextFigures(0.5, 0.5, 0.5, 0.5)
    videos = [
        LipsFigures(RecordingFigures(5.0, 0.7, 0.0, 0.1, 9.0, 0.5), text),
        LipsFigures(RecordingFigures(5.0, 0.4, 0.0, float("nan"), 0.0, 0.5), text),
    ]
    aims = aims_of(videos)
    assert {aim.what: round(aim.value, 6) for aim in aims} == {
        "the mouth follows the loudness (r)": 0.55,
        "in every video (r)": 0.4,
        "opening in pauses (share of its range)": 0.1,
        "in every video with a pause": 0.1,
    }
    assert [aim.met for aim in aims] == [True, False, True, True]
