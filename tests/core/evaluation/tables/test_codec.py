"""The table of pictures says what a codec takes away, and refuses a fit on too little."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.material.sample_set import SampleSet
from read_core.evaluation.material.videos import VideoGenerator
from read_core.evaluation.metrics.linear_codec import blocks_of
from read_core.evaluation.tables.codec import add_pictures, check_codec
from read_core.evaluation.tables.report import Report
from read_core.mouth.measure import mouth_shape
from read_core.records import SamplingSettings


class Planted(VideoGenerator):
    """Takes 0.01 away from every frame, 0.1 from frame 5 of the first video and 0.2 of the second."""

    videos = 0

    def reconstructed(self, frames):
        self.videos += 1
        decoded = frames - 0.01
        decoded[5] = frames[5] - 0.1 * self.videos
        return decoded


@pytest.mark.corpus
def test_what_a_codec_takes_away_is_told(pipe, sample):
    report = Report("", {})
    sample_set = SampleSet(Planted(pipe), [sample, replace(sample, name="again")], SamplingSettings())
    add_pictures(report, sample_set, 17, codec_clips=2, components=4)
    names = report.tables[0].columns
    vae, linear = (dict(zip(names, row, strict=True)) for row in report.tables[0].rows)
    assert vae["videos"] == linear["videos"] == 2
    assert vae["worst frame (dB)"] == pytest.approx((20 + 13.979) / 2, abs=1e-2)  # of errors 0.1 and 0.2
    errors = [(16 * 0.01**2 + error**2) / 17 for error in (0.1, 0.2)]
    assert vae["PSNR (dB)"] == pytest.approx(sum(decibels(error) for error in errors) / 2, abs=1e-2)
    assert vae["mouth box (dB)"] == pytest.approx(vae["PSNR (dB)"], abs=0.1)  # boxes differ a little in size
    jumps = (2 * 0.09 + 2 * 0.19) / 2 / 16 * 255  # into and out of frame 5
    assert vae["flicker"] == pytest.approx(jumps, rel=1e-3)
    measured = mouth_shape(Planted(pipe).reconstructed(sample.frames[:17]))
    for part, name in enumerate(("open", "width", "round")):
        expected = torch.corrcoef(torch.stack([measured[:, part], sample.mouth[:17, part]]))[0, 1].item()
        assert vae[f"{name} r after it"] == pytest.approx(expected, abs=0.05)  # the second video's frame 5
    assert float(vae["open r after it"]) > 0.8
    assert float(linear["PSNR (dB)"]) < 40


def decibels(error):
    return -10 * math.log10(error)


def test_more_components_than_blocks_are_refused():
    blocks = 3 * blocks_of(33, 64, 96)
    check_codec(3, blocks - 1, (64, 96))
    with pytest.raises(
        InputError, match=f"codec_clips is 3: {blocks} blocks cannot give {blocks} components"
    ):
        check_codec(3, blocks, (64, 96))
