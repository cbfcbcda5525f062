"""Devices of workers."""

import torch

from read_core.device import device_of_worker


def test_workers_take_the_gpus_in_turn_where_there_are_several(monkeypatch):
    for count, expected in ((0, [None] * 3), (1, [None] * 3), (2, ["cuda:0", "cuda:1", "cuda:0"])):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert [device_of_worker(number) for number in range(3)] == expected
