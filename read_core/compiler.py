"""Torch's compiler: compile A2V-DiT, and give the compiler a cache where the user has no name."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from .pipeline import ReadPipeline

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_CPP = {"darwin": "clang++", "win32": "cl"}  # elsewhere g++; torch's compiler calls no other


def set_compiler_cache() -> None:
    """Set the cache folder of torch's compiler if the user has no name: torch needs one on import.

    Torch itself uses the same variable and a folder of the same kind.
    """
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):
        number = os.getuid() if hasattr(os, "getuid") else 0
        os.environ.setdefault(_VARIABLE, str(Path(tempfile.gettempdir()) / f"torchinductor_{number}"))


def compile_transformer(pipe: ReadPipeline, backend: str = "inductor") -> None:
    """Let ``torch.compile`` make A2V-DiT faster, in place, when it first runs.

    The first run then takes minutes on a CPU, and seconds in later processes, which find the result in the
    compiler's cache on disk. So it pays for many or long videos. Latents differ by rounding. Decoder and
    detail network stay as they are: there it gained nothing (``benchmarks/compiled.py``).

    Args:
        pipe: the pipeline.
        backend: of ``torch.compile``.

    Raises:
        InputError: see :func:`check_compiler`.
    """
    if backend == "inductor":
        check_compiler(pipe.transformer.device.type)
    pipe.transformer.compile(backend=backend)


def check_compiler(device: str) -> None:
    """Check that a model on ``device``, ``cpu``, ``cuda:1`` ..., can be compiled.

    Raises:
        InputError: the device is a CPU, and there is no C++ compiler.
    """
    name = os.environ.get("CXX") or _CPP.get(sys.platform, "g++")
    if device == "cpu" and shutil.which(name) is None:
        raise InputError(
            f"compiling a model for a CPU needs a C++ compiler, and {name} was not found; install it, name "
            "another one in the environment variable CXX, or run without compiling"
        )
