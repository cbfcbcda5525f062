"""What the process has used so far."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"  # written to clear_refs
_SHOWN_TEXT = 160
_REFUSALS = ("allocate memory", "not enough memory", "out of memory", "bad_alloc", "failed to map segment")
_earlier = {"host": 0, "device": 0}
"""The highest peaks that :func:`restart_peaks` has wiped."""


def peak_host_memory() -> int | None:
    """The most main memory the process has held at once, in bytes; None where the system does not tell."""
    recent = recent_host_memory()
    return None if recent is None else max(recent, _earlier["host"])


def peak_device_memory() -> int | None:
    """The most memory of one GPU that tensors have held at once, in bytes; None without one."""
    recent = recent_device_memory()
    return None if recent is None else max(recent, _earlier["device"])


def restart_peaks() -> None:
    """Begin the ``recent`` peaks anew, from what is held now. Only Linux can do so for main memory."""
    import torch

    for name, peak in (("host", peak_host_memory()), ("device", peak_device_memory())):
        _earlier[name] = peak or 0
    for index in _gpus():
        torch.cuda.reset_peak_memory_stats(index)
    try:
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
    except OSError:  # another system, or one that does not let us
        return


def recent_host_memory() -> int | None:
    """As :func:`peak_host_memory`, since the last :func:`restart_peaks`."""
    status = _PROCESS / "status"
    if status.exists():
        # Unlike getrusage's, this figure does not begin with that of the program that started us.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def recent_device_memory() -> int | None:
    """As :func:`peak_device_memory`, since the last :func:`restart_peaks`."""
    import torch

    return max((torch.cuda.max_memory_allocated(index) for index in _gpus()), default=0) or None


def _gpus() -> range:
    """All of them: the models need not be on the current one."""
    import torch

    return range(torch.cuda.device_count() if torch.cuda.is_available() else 0)


def out_of_memory(error: BaseException) -> str | None:
    """Whether an allocator refused, in a line that says of which memory; None: an error of another kind.

    Allocators tell by a type of their own (Python's, CUDA's) or by the text of a RuntimeError (torch's for
    main memory and Apple's GPUs), an OSError or, where a library does not fit any more, an ImportError.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = " ".join(str(error).split())
    told = kinds & {"RuntimeError", "OSError", "ImportError"} and any(r in text.lower() for r in _REFUSALS)
    if not told and not kinds & {"MemoryError", "OutOfMemoryError"}:
        return None
    if len(text) > _SHOWN_TEXT:
        text = f"... {text[-_SHOWN_TEXT:]}"
    graphics = "OutOfMemoryError" in kinds or "MPS" in text
    return f"out of {'GPU' if graphics else 'main'} memory" + (f" ({text})" if text else "")


def settle(tensor: Tensor) -> None:
    """Wait until the device of a tensor has finished, so that the clock is right."""
    import torch

    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
    elif tensor.device.type == "mps":
        torch.mps.synchronize()


def gigabytes(count: int) -> str:
    """A number of bytes in words, as "1.25 GB"."""
    return f"{count / 1e9:.2f} GB"
