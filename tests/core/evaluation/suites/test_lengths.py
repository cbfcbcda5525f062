"""The suite of lengths measures every length on the same frames, in the same way."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.evaluation.material.samples import Sample
from read_core.evaluation.metrics.seams import whole_clips
from read_core.evaluation.suites.lengths import LengthsSize, own_frames, pieces, run_lengths
from read_core.evaluation.tables.lengths import LIPS, PICTURES

LIP_TITLES, PICTURE_TITLES = ([figure.title for figure in figures] for figures in (LIPS, PICTURES))


def numbered(clips, window):
    """A sample whose frame k is filled with k."""
    frames = whole_clips(clips, window)
    index = torch.arange(frames)
    pixels = index.to(torch.uint8)[:, None, None, None].expand(-1, 4, 4, 3)
    zeros = torch.zeros(frames, 3)
    face = sample_presenter(0, "test")
    waveform = torch.arange(640 * frames).float()
    return Sample("n", "espeak", 0.5, pixels, waveform, zeros, index.repeat_interleave(2), index, zeros, face)


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


@pytest.mark.slow
@pytest.mark.corpus
def test_the_suite_of_lengths_writes_figures_and_how_they_compare(pipe, tmp_path, sample):
    report = run_lengths(pipe, LengthsSize(count=2, clips=(1, 2, 3), gallery=3), tmp_path)
    lips, lips_against, pictures, pictures_against = report.tables
    for table, names in ((lips, LIP_TITLES), (pictures, PICTURE_TITLES)):
        assert table.columns == ("frames", "seconds", "faces", *names)
        assert [row[0] for row in table.rows] == [25, 41, 57]
    for table in (lips_against, pictures_against):
        assert [row[0] for row in table.rows] == [41, 57]

    place = 3 + PICTURE_TITLES.index("clips / inside")
    assert math.isnan(pictures.rows[0][place])
    assert all(row[place] > 0 for row in pictures.rows[1:])
    assert pictures_against.rows[0][place - 2] == "-"  # nothing shorter has a seam
    assert first(pictures_against.rows[1][place - 2]) == rounded(
        pictures.rows[2][place] / pictures.rows[1][place]
    )
    for name in ("latents / inside", "detail", "own distance", "border, from the portrait"):
        place = 3 + PICTURE_TITLES.index(name)
        assert f"{name} (ratio)" in pictures_against.columns
        assert first(pictures_against.rows[1][place - 2]) == rounded(
            pictures.rows[2][place] / pictures.rows[0][place]
        )
    for table, compared, names in (
        (pictures, pictures_against, ("likeness", "nearest is its own")),
        (lips, lips_against, LIP_TITLES),
    ):
        for name in names:
            place = 3 + table.columns[3:].index(name)
            assert f"{name} (difference)" in compared.columns
            assert first(compared.rows[1][place - 2]) == rounded(table.rows[2][place] - table.rows[0][place])
    assert (tmp_path / "lengths.md").exists()
    assert Image.open(tmp_path / "lengths.png").height == 3 * (96 + 4)


def first(cell):
    """The figure before its interval."""
    return float(cell.split()[0])


def rounded(value):
    return pytest.approx(value, abs=6e-4)
