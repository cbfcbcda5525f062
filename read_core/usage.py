"""Peak memory of the process, time of its steps, and recognition of out-of-memory errors."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_PROCESS = Path("/proc/self")
_SHOWN_TEXT = 160
_REFUSALS = (
    "allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "failed to map segment",
    "can't start new thread",
)


def peak_host_memory() -> int | None:
    """Peak main memory of the process in bytes; None if the system does not report it."""
    status = _PROCESS / "status"
    if status.exists():
        # Unlike getrusage, this does not include the peak of the parent process before exec.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory(device: torch.device) -> None:
    """Begin new peaks: of tensors on a GPU, or of the process where the system allows it (Linux)."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            (_PROCESS / "clear_refs").write_text("5")


def peak_device_memory() -> int | None:
    """Peak memory of tensors on one GPU in bytes; None without a GPU.

    Looks at all GPUs: the models may not be on the current one.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return max((torch.cuda.max_memory_allocated(index) for index in range(count)), default=0) or None


def out_of_memory(error: BaseException) -> str | None:
    """A line that says which memory ran out; None: the error has another cause.

    Python and CUDA raise special types. Python (for a thread) and torch (for main memory and Apple's GPUs)
    also raise RuntimeError with a text. Others raise OSError or, if a library does not fit into memory,
    ImportError.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = " ".join(str(error).split())
    known = kinds & {"RuntimeError", "OSError", "ImportError"} and any(r in text.lower() for r in _REFUSALS)
    if not known and not kinds & {"MemoryError", "OutOfMemoryError"}:
        return None
    if len(text) > _SHOWN_TEXT:
        text = f"... {text[-_SHOWN_TEXT:]}"
    torches = any(k.__name__ == "OutOfMemoryError" and k.__module__ == "torch" for k in type(error).__mro__)
    graphics = torches or "MPS" in text
    return f"out of {'GPU' if graphics else 'main'} memory" + (f" ({text})" if text else "")


def settle(device: torch.device) -> None:
    """Wait until a device has finished, so that times are right."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class StepTimer:
    """Estimate the time of sampling after the first step; on a GPU after the second, after warm-up.

    Args:
        device: where the sampler runs. The timer waits for it once or twice, not after every step.
        on_time: called once with the estimated seconds of all steps; None: do not time.
        share: what a step takes on average, by the first one: below 1 if guidance ends before the last step.
        clock: returns seconds.
    """

    def __init__(
        self,
        device: torch.device,
        on_time: Callable[[float], None] | None,
        share: float = 1.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.device, self.on_time, self.share, self.clock = device, on_time, share, clock
        self.warm = device.type == "cpu"
        self.before, self.since = 0, clock()

    def __call__(self, done: int, total: int) -> None:
        """Call after a step: ``done`` of ``total`` steps are done."""
        if self.on_time is None:
            return
        settle(self.device)
        now = self.clock()
        if self.warm or done == total:
            share = 1.0 if done == total else self.share
            self.on_time((now - self.since) / (done - self.before) * total * share)
            self.on_time = None
        else:
            self.warm, self.before, self.since = True, done, now


class ModuleTimer:
    """Seconds that the calls of a module take in all, while the timer is entered.

    It waits for the device before and after every call, so that the device's work counts and nothing else.

    Attributes:
        seconds: of the finished calls.
    """

    def __init__(self, module: torch.nn.Module, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = 0.0
        self._module, self._clock = module, clock
        self._since = 0.0
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> ModuleTimer:
        module = self._module
        self._hooks = [
            module.register_forward_pre_hook(self._before_forward),
            module.register_forward_hook(self._after_forward),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before_forward(self, *_: object) -> None:
        self._synchronize()
        self._since = self._clock()

    def _after_forward(self, *_: object) -> None:
        self._synchronize()
        self.seconds += self._clock() - self._since

    def _synchronize(self) -> None:
        first = next(self._module.parameters(), None)
        if first is not None:
            settle(first.device)


def gigabytes(count: int) -> str:
    """A number of bytes as text, for example "1.25 GB"."""
    return f"{count / 1e9:.2f} GB"
