"""Frames worked on at once give what one after the other gives, and leave torch as it was."""

from __future__ import annotations

import threading

import pytest
import torch

from read_core.detail import DetailRestorer
from read_core.finish import Finish, Finishing
from read_core.records import Reference
from read_core.side_by_side import MOST, for_each_frame, for_frames, frames_at_once

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def seen_in_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_frames_meet_on_a_cpu_and_each_has_one_thread(two_threads):
    meeting, threads = threading.Barrier(2, timeout=60), []

    def work(_):
        meeting.wait()  # breaks unless two frames are under way
        threads.append(torch.get_num_threads())

    for_each_frame(4, work, CPU)
    assert threads == [1] * 4
    assert torch.get_num_threads() == seen_in_a_new_thread() == 2


def test_few_frames_share_all_threads():
    before, threads = torch.get_num_threads(), []
    try:
        torch.set_num_threads(6)
        for count in (1, 2, 6):
            for_each_frame(count, lambda _: threads.append(torch.get_num_threads()), CPU)
        assert torch.get_num_threads() == 6
    finally:
        torch.set_num_threads(before)
    assert threads == [6] + 2 * [3] + 6 * [1]


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_on_another_device_frames_follow_each_other_here(two_threads, device):
    found: list[tuple[int, int]] = []
    for_each_frame(3, lambda i: found.append((i, threading.get_ident())), torch.device(device))
    assert found == [(i, threading.get_ident()) for i in range(3)]


@pytest.mark.parametrize(("device", "lengths"), [("cpu", [1] * 10), ("cuda", [8, 2])])
def test_a_cpu_works_on_single_frames_and_others_on_batches(two_threads, device, lengths):
    parts: list[slice] = []
    for_frames(10, parts.append, torch.device(device))
    assert sorted(index for part in parts for index in range(part.start, part.stop)) == list(range(10))
    assert [part.stop - part.start for part in parts] == lengths


@pytest.mark.parametrize("inference", [False, True])
def test_a_worker_has_the_modes_of_the_caller(two_threads, inference):
    with torch.inference_mode(inference), torch.no_grad():
        result = torch.zeros(4)
        weight = torch.ones(1, requires_grad=not inference)

        def work(index):
            result[index] = (weight * index)[0]
            assert not torch.is_grad_enabled()

        for_each_frame(4, work, CPU)
    assert torch.equal(result, torch.arange(4.0))
    assert result.is_inference() == inference


def test_an_error_in_a_frame_reaches_the_caller(two_threads):
    def work(index):
        if index == 1:
            raise ValueError("frame 1")

    with pytest.raises(ValueError, match="frame 1"):
        for_each_frame(3, work, CPU)


def test_detail_side_by_side_is_detail_one_by_one(two_threads):
    generator = torch.Generator().manual_seed(0)
    frames, decoded, portrait = (
        torch.rand(*shape, generator=generator) for shape in ((5, 64, 64, 3), (64, 64, 3), (96, 96, 3))
    )
    together = DetailRestorer().restore(frames, portrait, decoded)
    torch.set_num_threads(1)
    torch.testing.assert_close(together, DetailRestorer().restore(frames, portrait, decoded))


def test_memory_counts_the_frames_at_once(two_threads):
    picture = torch.rand(64, 64, 3)
    box = (0, 0, 64, 64)
    reference = Reference(torch.zeros(1, 8, 1, 2, 2), picture, box, portrait=picture, decoded=picture)
    made = Finish(Finishing(detail=True, paste_back=False, size=1024), reference, None, DetailRestorer())
    two = made.memory
    torch.set_num_threads(1)
    assert two > made.memory


def test_few_frames_are_at_once(monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 64)
    assert frames_at_once(100, CPU) == MOST
    assert frames_at_once(3, CPU) == 3
    assert frames_at_once(100, torch.device("cuda")) == MOST
