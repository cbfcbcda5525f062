"""READ: real-time, audio-driven talking heads with a diffusion transformer.

Heavy libraries are imported when a name is first used, so ``import read_core`` is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .compiler import set_compiler_cache
from .errors import CheckpointError, InputError, MediaError, ReadError, ReadWarning
from .records import FaceChoice, Reference, SamplingSettings, SpeechCodes
from .version import __version__

if TYPE_CHECKING:
    from .ans import DistilledCFG, JointCFG, NoCFG, SplitCFG
    from .finish import Finishing
    from .pipeline import ReadPipeline

__all__ = [
    "CheckpointError",
    "DistilledCFG",
    "FaceChoice",
    "Finishing",
    "InputError",
    "JointCFG",
    "MediaError",
    "NoCFG",
    "ReadError",
    "ReadPipeline",
    "ReadWarning",
    "Reference",
    "SamplingSettings",
    "SpeechCodes",
    "SplitCFG",
    "__version__",
]

set_compiler_cache()


def __getattr__(name: str) -> Any:
    if name == "ReadPipeline":
        from .pipeline import ReadPipeline

        return ReadPipeline
    if name == "Finishing":
        from .finish import Finishing

        return Finishing
    if name in ("NoCFG", "JointCFG", "SplitCFG", "DistilledCFG"):
        from . import ans

        return getattr(ans, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
