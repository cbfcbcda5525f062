"""The device that models run on."""

from __future__ import annotations

import torch

from .errors import InputError


def best_device() -> torch.device:
    """A CUDA device if there is one, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_of_worker(number: int) -> str | None:
    """The GPU of worker ``number`` of this machine: each takes another one; None: there are no two."""
    count = torch.cuda.device_count()
    return f"cuda:{number % count}" if count > 1 else None


def works(device: torch.device) -> bool:
    """Whether anything can still be computed there: after some faults of a GPU its process cannot use it."""
    try:
        torch.zeros(1, device=device).cpu()
    except RuntimeError:
        return False
    return True


def checked_device(name: str | None) -> torch.device | None:
    """The device with this name; None: none is chosen.

    Raises:
        InputError: this machine has no such device.
    """
    if name is None:
        return None
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # the device "meta" stores nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device {name!r} cannot be used ({reason}); expected cpu, cuda, cuda:1, mps"
        ) from error
    return device
