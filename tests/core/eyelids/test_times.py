"""Blinks are seeded, do not depend on how frames are divided, and come as often as people blink."""

from __future__ import annotations

import itertools

import torch

from read_core.eyelids.times import BlinkTimes


def starts(closure):
    return [i for i in range(1, len(closure)) if closure[i] > 0 and closure[i - 1] == 0]


def test_the_same_seed_gives_the_same_blinks_in_any_division():
    whole = BlinkTimes(7).closure(0, 1000)
    times, pieces, start = BlinkTimes(7), [], 0
    for length in (1, 16, 233, 750):
        pieces.append(times.closure(start, start + length))
        start += length
    assert torch.equal(torch.cat(pieces), whole)
    assert torch.equal(BlinkTimes(7).closure(400, 500), whole[400:500])
    assert not torch.equal(BlinkTimes(8).closure(0, 1000), whole)


def test_eyes_start_open_shut_completely_and_blink_ten_to_twenty_times_a_minute():
    for seed in range(5):
        closure = BlinkTimes(seed).closure(0, 10 * 60 * 25)
        assert closure[:20].max() == 0
        assert closure.min() == 0
        assert closure.max() == 1
        begun = starts(closure)
        assert 10 < len(begun) / 10 < 20
        for first, following in itertools.pairwise(begun):
            shape = closure[first:following]
            assert 5 <= int((shape > 0).sum()) <= 7
            assert shape.max() == 1
            assert following - first >= 50
