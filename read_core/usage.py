"""What the process has used so far."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_host_memory() -> int | None:
    """The most main memory the process has held at once, in bytes; None where the system does not tell."""
    if _STATUS.exists():
        # Unlike getrusage's, this figure does not begin with that of the program that started us.
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_device_memory() -> int | None:
    """The most memory of the GPU that tensors have held at once, in bytes; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    return torch.cuda.max_memory_allocated() or None


def gigabytes(count: int) -> str:
    """A number of bytes in words, as "1.25 GB"."""
    return f"{count / 1e9:.2f} GB"
