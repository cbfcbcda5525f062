"""Cap the memory that tensors may take on a GPU, to measure what fits on smaller ones."""

from __future__ import annotations

import torch

from ..errors import InputError


def memory_share(device: torch.device, gigabytes: float) -> float:
    """The part of the memory of ``device`` that ``gigabytes`` (10^9 bytes) are, 0..1.

    Raises:
        InputError: the device is not a CUDA device, or has less memory.
    """
    if device.type != "cuda":
        raise InputError(f"--memory-limit is for a CUDA device; this runs on {device}: leave it out")
    total = torch.cuda.get_device_properties(device).total_memory
    if not 0 < gigabytes * 1e9 <= total:
        raise InputError(f"--memory-limit is {gigabytes:g} GB; expected more than 0, up to {total / 1e9:.1f}")
    return float(gigabytes * 1e9 / total)


def limit_memory(device: torch.device, share: float) -> None:
    """Let tensors take at most this share of the memory of ``device``, for the rest of the process."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(share, device)
