"""How much memory tensors take, by torch's profiler."""

from __future__ import annotations

from collections.abc import Callable

import torch


def peak_allocated(work: Callable[[], object]) -> int:
    """The most bytes of the CPU that tensors held at once while ``work`` ran, beyond those before it."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.no_grad(), torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        work()
    results = profile.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
