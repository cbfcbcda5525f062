"""What allocators say when they refuse, and a user whom the system does not know."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from read_core.usage import ModuleTimer, StepTimer, out_of_memory, peak_device_memory, settle


def refused():
    try:
        torch.empty(2**60)
    except RuntimeError as error:
        return error
    raise AssertionError("the machine has an exabyte")


class OutOfMemoryError(Exception):
    """As Ray's monitor of main memory raises it."""


def told(error: BaseException) -> str:
    """The text for an error that is an allocator's refusal."""
    text = out_of_memory(error)
    assert text is not None
    return text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of main memory"),
        (MemoryError("Unable to allocate 9 TiB"), "out of main memory (Unable to allocate 9 TiB)"),
        (torch.OutOfMemoryError("CUDA out of memory."), "out of GPU memory (CUDA out of memory.)"),
        (OutOfMemoryError("a worker was killed"), "out of main memory (a worker was killed)"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), "out of GPU memory (MPS backend"),
        (OSError(12, "Cannot allocate memory"), "out of main memory ([Errno 12]"),
        (RuntimeError("can't start new thread"), "out of main memory (can't start new thread)"),
        (ImportError("libx.so: failed to map segment from shared object"), "out of main memory (libx.so"),
    ],
)
def test_an_allocators_refusal_is_recognized(error, words):
    assert told(error).startswith(words)


def test_torchs_own_refusal_is_recognized():
    assert told(refused()).startswith("out of main memory")
    assert "\n" not in told(refused())


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("out of memory"), OSError(2, "x")]
)
def test_other_errors_are_none(error):
    assert out_of_memory(error) is None


def test_a_long_explanation_is_cut_to_its_end():
    text = told(ImportError("read this advice. " * 50 + "failed to map segment"))
    assert text.endswith("failed to map segment)")
    assert len(text) < 200


def test_a_user_without_a_name_can_load_the_models_libraries():
    code = """
import pwd
def unknown(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")
pwd.getpwuid = unknown
import read_core.pipeline, read_core.speech, read_core.transformer, diffusers
diffusers.AutoencoderKLLTXVideo
"""
    unset = {"USER", "LOGNAME", "LNAME", "USERNAME", "TORCHINDUCTOR_CACHE_DIR"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_peaks_are_those_of_any_gpu_not_of_the_current_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda index: [0, 7_000, 0][index])
    assert peak_device_memory() == 7_000


def test_settling_waits_for_apples_gpus_too(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    settle(torch.device("mps"))
    settle(torch.device("cpu"))
    settle(torch.device("cuda:1"))
    assert waited == ["mps", torch.device("cuda:1")]


def test_the_time_is_told_once_and_from_a_step_like_the_others():
    def told(device, ends, total, share=1.0):
        """What is told when steps end at these times, (seconds, steps done) each, begun at 100."""
        clock, seconds = iter([100.0, *(at for at, _ in ends)]), []
        timer = StepTimer(
            torch.device(device), lambda all_of_it: seconds.append(all_of_it), share, lambda: next(clock)
        )
        for _, done in ends:
            timer(done, total)
        return seconds

    assert told("cpu", [(102.0, 1), (103.0, 2)], 6) == [12.0]
    assert told("cpu", [(102.0, 1)], 1) == [2.0]
    assert told("meta", [(109.0, 1), (110.0, 2), (111.0, 3)], 6) == [6.0]  # the first one warmed up
    assert told("meta", [(109.0, 1), (113.0, 5)], 9) == [9.0]  # four cells of a wavefront at once
    assert told("meta", [(109.0, 1)], 1) == [9.0]
    assert told("cpu", [(102.0, 1)], 6, share=0.75) == [9.0]  # later steps are not guided
    assert told("cpu", [(102.0, 1)], 1, share=0.75) == [2.0]


def test_only_the_calls_of_the_module_are_timed():
    now = 0.0

    class Slow(torch.nn.Linear):
        def forward(self, seconds):
            nonlocal now
            now += seconds
            return seconds

    module = Slow(1, 1)
    with ModuleTimer(module, lambda: now) as timer:
        for seconds in (1.0, 0.5):
            module(seconds)
            now += 10
    module(100.0)
    assert timer.seconds == 1.5
