"""What is measured of a talk: itself, a portrait that does not move, eyes that are gone, noise."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from read_core.evaluation.metrics.codec_detail import coded_of
from read_core.evaluation.metrics.psnr import BEST
from read_core.evaluation.suites.speaking import read_talk, speaking_of

STARTS = [32]


@pytest.fixture(scope="module")
def truth(talk):
    return read_talk(talk.frames, talk)


def measured(frames, talk, truth):
    return speaking_of(frames, read_talk(frames, talk), talk, truth, STARTS)


def test_a_talk_itself_is_read_and_has_all_of_its_own_motion(talk, truth):
    found = measured(talk.frames, talk, truth)
    assert found.sync.opening > 0.8
    assert (found.span, found.blinks, found.head) == (1, found.true_blinks, found.true_head)
    assert found.faded <= 0.1 * found.seen
    assert found.frames == 73


def test_a_portrait_that_does_not_move_has_none_of_it(talk, truth):
    still = talk.portrait.expand(73, -1, -1, -1)
    found = measured(still, talk, truth)
    assert (found.sync.opening, found.blinks, found.faded) == (0, 0, 0)
    assert found.span < 0.05
    assert found.head < 0.05 * found.true_head
    assert found.seams.clips == 0


def test_eyes_that_are_painted_over_have_faded(talk, truth):
    frames = talk.frames
    for index in range(30, 60):
        for left, top, right, bottom in talk.eyes[index].round().int().tolist():
            frames[index, top:bottom, left:right] = frames[index, top - 1, left - 1]
    found = measured(frames, talk, truth)
    assert 25 <= found.faded <= 35


def test_dark_glasses_hide_blinks_and_eyes(talk, truth):
    found = measured(talk.frames, dataclasses.replace(talk, covered=True), truth)
    assert (found.blinks, found.true_blinks, found.faded, found.seen) == (0, 0, 0, 0)


def test_decibels_after_the_codec_leave_the_portrait_out(talk):
    frames = talk.frames[:25]
    assert (coded_of(frames, talk).whole, coded_of(frames, talk).span) == (BEST, 1)
    signs = torch.randint(2, frames.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    noisy = frames + 0.02 * signs
    noisy[0] = 0
    found = coded_of(noisy, talk)
    expected = -20 * math.log10(0.02)
    assert (found.whole, found.mouth, found.eyes) == pytest.approx((expected,) * 3, abs=1e-3)
