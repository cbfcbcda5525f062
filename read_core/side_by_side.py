"""Work on the frames of a video: on a CPU several at once, which share the threads of torch, else in batches.

Pictures of faces are small. Several threads wait for each other in each of the many operations on one; on
several pictures they do not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier

import torch

MOST = 8  # frames at once: each needs memory


def frames_at_once(count: int, device: torch.device) -> int:
    """How many of ``count`` frames are worked on at once."""
    return max(1, min(count, MOST, torch.get_num_threads() if device.type == "cpu" else MOST))


def for_frames(count: int, work: Callable[[slice], None], device: torch.device) -> None:
    """Call ``work`` with parts of ``count`` frames, in any order: single ones on a CPU, else up to ``MOST``.

    Args:
        count: number of frames.
        work: must not depend on other frames. An error in it is raised here.
        device: where the work runs.
    """
    if device.type == "cpu":
        for_each_frame(count, lambda index: work(slice(index, index + 1)), device)
        return
    for start in range(0, count, MOST):  # a batch takes hardly longer than a frame
        work(slice(start, min(start + MOST, count)))


def for_each_frame(count: int, work: Callable[[int], None], device: torch.device) -> None:
    """Call ``work`` with each index below ``count``, in any order; an error in it is raised here.

    Args:
        count: number of frames.
        work: must not depend on other frames.
        device: where the work runs. On others than a CPU, frames follow each other.
    """
    threads = torch.get_num_threads()
    workers = frames_at_once(count, device)
    if workers == 1 or device.type != "cpu":
        for index in range(count):
            work(index)
        return
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def within(index: int) -> None:  # both modes belong to a thread
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            work(index)

    for _ in _pool(workers, threads, os.getpid()).map(within, range(count)):
        pass


def _take_threads(count: int) -> None:
    torch.set_num_threads(count)
    torch.get_num_threads()  # torch takes the number that all threads begin with at a thread's first use: now


@lru_cache(maxsize=MOST)
def _pool(workers: int, threads: int, _process: int) -> ThreadPoolExecutor:
    """Workers that share the threads of torch, for this process. Its other threads keep their number."""
    pool = ThreadPoolExecutor(workers, "frames", _take_threads, (threads // workers,))
    all_there = Barrier(workers)
    for _ in pool.map(lambda _: all_there.wait(), range(workers)):
        pass
    torch.set_num_threads(threads)  # the workers' calls also set it for threads that begin later
    return pool
