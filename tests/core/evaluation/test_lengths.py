"""The suite of lengths measures every length on the same frames, in the same way."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image

from read_core.evaluation.lengths import FIGURES, LengthsSize, detail, own_frames, pieces, run_lengths
from read_core.evaluation.material import Sample
from read_core.evaluation.seams import whole_clips


def numbered(clips, window):
    """A sample whose frame k is filled with k."""
    frames = whole_clips(clips, window)
    index = torch.arange(frames)
    pixels = index.to(torch.uint8)[:, None, None, None].expand(-1, 4, 4, 3)
    zeros = torch.zeros(frames, 3)
    waveform = torch.arange(640 * frames).float()
    return Sample("n", "espeak", 0.5, pixels, waveform, zeros, index.repeat_interleave(2), zeros)


def test_clips_of_the_papers_window_have_its_lengths():
    assert [whole_clips(clips, 16) for clips in (1, 4, 9)] == [121, 457, 1017]


@pytest.mark.parametrize("clips", [1, 2, 3, 4, 5])
def test_every_length_is_measured_on_the_same_frames(clips):
    sample = numbered(5, 4)
    seen = []
    for skip, piece in pieces(sample, clips, 5, 4):
        assert len(piece.pixels) == whole_clips(clips, 4)
        assert piece.pixels[0, 0, 0, 0] == 0  # the portrait
        for own in own_frames(clips, 4)[skip:]:
            frames = piece.pixels[own, 0, 0, 0]
            assert torch.equal(frames.long(), piece.phonemes[::2][own])
            assert torch.equal(frames.long(), piece.waveform[::640][own].long() // 640)
            seen += frames.tolist()
    assert seen == list(range(9, whole_clips(5, 4)))


def test_detail_falls_when_pictures_blur():
    sharp = torch.zeros(2, 8, 8, 3)
    sharp[:, ::2] = 1
    blurred = (sharp + sharp.roll(1, dims=1)) / 2
    assert detail(sharp) == pytest.approx(0.5)
    assert detail(blurred) == 0


@pytest.mark.slow
@pytest.mark.corpus
def test_the_suite_of_lengths_writes_figures_and_their_ratios(pipe, tmp_path, sample):
    report = run_lengths(pipe, LengthsSize(count=2, clips=(1, 2, 3), gallery=3), tmp_path)
    figures, ratios = report.tables
    assert [row[0] for row in figures.rows] == [25, 41, 57]
    assert [row[0] for row in ratios.rows] == [41, 57]
    place = 3 + FIGURES.index("clips / inside")
    assert math.isnan(figures.rows[0][place])
    assert all(row[place] > 0 for row in figures.rows[1:])
    assert ratios.rows[0][place - 2] == "-"  # nothing shorter has a seam
    place = 3 + FIGURES.index("detail")
    expected = figures.rows[2][place] / figures.rows[0][place]
    assert float(ratios.rows[1][place - 2].split()[0]) == pytest.approx(expected, abs=1e-3)
    assert (tmp_path / "lengths.md").exists()
    assert Image.open(tmp_path / "lengths.png").height == 3 * (96 + 4)
