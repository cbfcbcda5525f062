"""Measure the seconds of a call: on a GPU with the device's events, elsewhere with the system's clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..usage import settle


@dataclass(frozen=True)
class Seconds:
    """Times of several calls.

    Attributes:
        median: the middle one.
        least, most: their range.
    """

    median: float
    least: float
    most: float


def seconds_of(call: Callable[[], object], device: torch.device, rounds: int, warmup: int = 1) -> Seconds:
    """Time ``call`` ``rounds`` times, after ``warmup`` calls that do not count."""
    for _ in range(warmup):
        call()
    times = [_once(call, device) for _ in range(rounds)]
    return Seconds(statistics.median(times), min(times), max(times))


def _once(call: Callable[[], object], device: torch.device) -> float:
    settle(device)
    if device.type != "cuda":
        started = time.perf_counter()
        call()
        settle(device)
        return time.perf_counter() - started
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    before.record()
    call()
    after.record()
    settle(device)
    return float(before.elapsed_time(after)) / 1000


def matmul_ceiling(device: torch.device, dtype: torch.dtype, side: int | None = None) -> float:
    """FLOP/s of a square matrix product, the best of ten: what this machine can reach.

    Args:
        device: where.
        dtype: of both matrices.
        side: of the matrices; None: 8192 on a GPU, 1024 elsewhere.
    """
    side = side or (8192 if device.type == "cuda" else 1024)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: a @ b, device, rounds=10, warmup=3).least
